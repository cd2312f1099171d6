"""Functions that a file brings of its own, put in place of their calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx.inliner

from archspec.errors import ArchspecError
from archspec.wording import cut
from compiler.onnx_file.nodes import walk_nodes

FunctionKey: TypeAlias = tuple[str, str]
"""The domain and the name of a function."""


def inline_functions(path: Path, model: onnx.ModelProto, most: int) -> onnx.ModelProto:
    """Put functions that the model defines in place of their calls. Raises ArchspecError where they call themselves, or
    would make more than `most` nodes, as a few that call each other twice do."""
    bodies = {(item.domain, item.name): list(item.node) for item in model.functions}
    if not bodies or not any(_key(node) in bodies for node in walk_nodes(model.graph.node)):
        return model
    sizes: dict[FunctionKey, int] = {}
    for key in bodies:
        _measure(path, key, bodies, sizes)
    total = sum(sizes.get(_key(node), 1) for node in walk_nodes(model.graph.node))
    if total > most:
        raise ArchspecError(f"{path} has {total:,} nodes with those of its functions; at most {most:,} are read")
    try:
        found: onnx.ModelProto = onnx.inliner.inline_local_functions(model)
    except Exception as error:  # whatever its C++ raises
        raise ArchspecError(
            f"{path}: its functions cannot be put in place: {cut(' '.join(str(error).split()), 200)}"
        ) from error
    return found


def _measure(
    path: Path, start: FunctionKey, bodies: Mapping[FunctionKey, list[onnx.NodeProto]], sizes: dict[FunctionKey, int]
) -> None:
    """Enter how many nodes a function is, with those of the functions that it calls."""
    stack = [start]
    open_: set[FunctionKey] = set()
    while stack:
        here = stack[-1]
        calls = [_key(node) for node in walk_nodes(bodies[here])]
        todo = [key for key in dict.fromkeys(calls) if key in bodies and key not in sizes]
        if here in open_ and not todo:
            sizes[stack.pop()] = sum(sizes.get(key, 1) for key in calls)
        elif here in open_ or open_.intersection(todo):
            raise ArchspecError(f"{path}: the function {cut(here[1], 80)} calls itself")
        else:
            open_.add(here)
            stack += todo
            if not todo:
                sizes[stack.pop()] = sum(sizes.get(key, 1) for key in calls)


def _key(node: onnx.NodeProto) -> FunctionKey:
    return node.domain, node.op_type
