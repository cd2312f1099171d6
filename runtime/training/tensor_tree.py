"""Nested states, as torch's optimizers give them, as tensors by name and the rest as JSON: nothing of Python itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.errors import ModelError, tell_value
from archspec.extras import extra

with extra("train"):
    from torch import Tensor

TENSOR, TUPLE = "tensor", "tuple"
"""The keys of the objects that stand for a tensor, by its name, and for a tuple."""

MAX_DEPTH = 12
"""The largest number of levels of a state."""


def split_tree(tree: Any, name: str = "") -> tuple[Any, dict[str, Tensor]]:
    """Split a state of dicts, lists, tuples, numbers, texts and tensors in JSON, in which each tensor is named, and the
    tensors by name: the keys on the way to one, with points between. Raises TypeError for anything else."""
    if isinstance(tree, Tensor):
        return {TENSOR: name}, {name: tree.detach()}
    if isinstance(tree, Mapping):
        written: dict[str, Any] = {}
        tensors: dict[str, Tensor] = {}
        for key, value in tree.items():
            if not isinstance(key, str) or key in (TENSOR, TUPLE):
                raise TypeError(f"a state has the key {key!r}")
            written[key], found = split_tree(value, f"{name}.{key}" if name else key)
            tensors |= found
        return written, tensors
    if isinstance(tree, list | tuple):
        parts = [split_tree(value, f"{name}.{index}") for index, value in enumerate(tree)]
        items = [part for part, _ in parts]
        return {TUPLE: items} if isinstance(tree, tuple) else items, {
            k: v for _, found in parts for k, v in found.items()
        }
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree, {}
    raise TypeError(f"a state holds a {type(tree).__name__}")


def join_tree(written: Any, tensors: Mapping[str, Tensor], depth: int = 0) -> Any:
    """Undo `split_tree`. Raises ModelError where a tensor is named that is not there."""
    if depth > MAX_DEPTH:
        raise ModelError("the state is nested too deep")
    if isinstance(written, list):
        return [join_tree(item, tensors, depth + 1) for item in written]
    if not isinstance(written, dict):
        return written
    if written.keys() == {TENSOR}:
        name = written[TENSOR]
        if not isinstance(name, str) or name not in tensors:
            raise ModelError(f"the state names the tensor {tell_value(name)}, which is not there")
        return tensors[name]
    if written.keys() == {TUPLE} and isinstance(written[TUPLE], list):
        return tuple(join_tree(item, tensors, depth + 1) for item in written[TUPLE])
    return {key: join_tree(value, tensors, depth + 1) for key, value in written.items()}
