"""Why a node of a model file computes something else: what it has there, against what an export would write."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.extras import extra
from runtime.verification.model.inside import ModelInside

with extra("run"):
    import onnx

    from compiler.onnx_file.nodes import read_as_written
    from compiler.onnx_target.onnx_model import OnnxModel


def find_reasons(inside: ModelInside, built: OnnxModel, name: str, compared: Collection[str]) -> tuple[str, ...]:
    """Tell how operator, attributes and stored tensors of a node of the file differ from those of `built`, in words;
    and of the nodes before it whose own values are not among those `compared`."""
    unseen = {name}
    for node in reversed(list(built.graph)):
        if node.id in unseen:
            unseen.update(operand for operand in node.inputs if operand not in compared)
    found = (_compare_nodes(inside, built, id) for id in built.graph.nodes if id in unseen)
    return tuple(dict.fromkeys(chain.from_iterable(found)))


def compare_attributes(inside: ModelInside, built: OnnxModel) -> list[str]:
    """Tell which attributes of the file's nodes have another value than in `built`; of nodes of the same name and
    operation alone, and of attributes that both have, since others may be left to their defaults."""
    pairs = ((inside.nodes.get(expected.name), expected) for expected in built.head.graph.node)
    return [
        f"{expected.name}: {difference}"
        for found, expected in pairs
        if found is not None and found.op_type == expected.op_type
        for difference in _compare_attributes(found, expected, shared=True)
    ]


def compare_stored(inside: ModelInside, built: OnnxModel) -> list[str]:
    """Tell how the numbers of the file's stored tensors differ from those of the same name in `built`."""
    return [
        difference
        for name, expected in built.tensors.items()
        if name in inside.tensors
        for difference in _compare_tensors(name, inside.take(name), np.asarray(expected))
    ]


def _compare_nodes(inside: ModelInside, built: OnnxModel, name: str) -> Iterator[str]:
    for expected in built.head.graph.node:
        if expected.name not in _names(built, name):
            continue
        found = inside.nodes.get(expected.name)
        if found is None:
            yield f"the file has no node {expected.name}"
            continue
        if found.op_type != expected.op_type:
            yield f"{expected.name} is {found.op_type}, expected {expected.op_type}"
            continue
        yield from _compare_attributes(found, expected)
        known = {value for node in built.head.graph.node for value in node.output}
        for operand, other in zip(expected.input, found.input, strict=False):
            if operand != other and other in known:
                yield f"{expected.name} reads {other}, expected {operand}"
        for operand in expected.input:
            if operand in built.tensors and operand in inside.tensors:
                yield from _compare_tensors(operand, inside.take(operand), np.asarray(built.tensors[operand]))


def _names(built: OnnxModel, id: str) -> set[str]:
    """The ONNX nodes that one node of the network was written as."""
    parts = (node.name for node in built.head.graph.node if node.name.startswith(f"{id}."))
    return {id, *(part for part in parts if part not in built.graph.nodes and part.count(".") == id.count(".") + 1)}


def _compare_attributes(found: onnx.NodeProto, expected: onnx.NodeProto, *, shared: bool = False) -> Iterator[str]:
    """Tell how attributes differ, in words: all of them, or those alone that both nodes have."""
    ours, theirs = ({item.name: _read(item) for item in node.attribute} for node in (expected, found))
    for name in sorted(ours.keys() & theirs.keys() if shared else ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield f"{name} is {theirs.get(name, 'not there')}, expected {ours.get(name, 'none')}"


def _read(attribute: onnx.AttributeProto) -> Any:
    value = read_as_written(attribute)
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _compare_tensors(name: str, found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> Iterator[str]:
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        yield f"{name} is {found.dtype} {found.shape}, expected {expected.dtype} {expected.shape}"
        return
    differs = found != expected
    count = int(np.count_nonzero(differs))
    if count:
        most = np.abs(found[differs].astype(np.float64) - expected[differs].astype(np.float64)).max()
        yield f"{count:,} of {found.size:,} numbers of {name} differ, by at most {most:.3g}"
