"""Constants, which depend on no input: stored tensors, and what nodes compute from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod

import numpy as np
import onnx
import onnx.numpy_helper

from archspec.arrays import Array
from archspec.bounds import MAX_WHOLE
from archspec.wording import cut, write_shape
from compiler.onnx_source.file.types import name_type
from compiler.onnx_source.folding import FOLDS, MAX_NUMBERS, compute
from compiler.onnx_source.node import FileNode, broadcast, resolve_shape
from compiler.onnx_source.values import Constant, ConstantSource

COUNTS = {"int32", "int64", "uint32", "uint64", "bool", "string"}
"""The types of numbers that stand for no others: positions, extents, conditions."""


def read_tensor(node: FileNode, tensor: onnx.TensorProto) -> Constant:
    """Read a stored tensor; its numbers where they are few and lie in the file."""
    shape = tuple(tensor.dims)
    if any(not 0 <= extent <= MAX_WHOLE for extent in shape):
        node.fail(f"the stored tensor '{cut(tensor.name, 80)}' has the shape {write_shape(shape)}")
    type = name_type(tensor.data_type)
    return Constant(tensor.name, shape, _read_numbers(node, tensor), type, (ConstantSource(tensor.name, shape, type),))


def read_sparse(sparse: onnx.SparseTensorProto) -> Constant:
    """Read a stored tensor of which the file holds the numbers that are not zero."""
    name, type = sparse.values.name, name_type(sparse.values.data_type)
    return Constant(name, tuple(sparse.dims), None, type, (ConstantSource(name, tuple(sparse.values.dims), type),))


def find_sources(node: FileNode) -> tuple[ConstantSource, ...]:
    """Find the stored tensors that a node's constant operands were computed from: those of numbers that were trained,
    or stand for such."""
    dequantizes = node.kind == "DequantizeLinear"
    operands = node.operands[:1] if dequantizes or node.kind == "QuantizeLinear" else node.operands
    found = [item for item in operands if isinstance(item, Constant) and (dequantizes or item.type not in COUNTS)]
    return tuple(dict.fromkeys(source for item in found for source in item.sources))


def _read_numbers(node: FileNode, tensor: onnx.TensorProto) -> Array | None:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    there = any(len(getattr(tensor, field)) for field in ("raw_data", "float_data", "int32_data", "int64_data"))
    there = there or len(tensor.double_data) > 0 or len(tensor.uint64_data) > 0
    if external or prod(tensor.dims) > MAX_NUMBERS or not (there or prod(tensor.dims) == 0):
        return None
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # whatever onnx and numpy say of numbers that do not fit their shape
        node.fail(
            f"the stored tensor '{cut(tensor.name, 80)}' cannot be read: {cut(' '.join(str(error).split()), 200)}"
        )


def fold(node: FileNode) -> list[Constant] | None:
    """Compute the results of a node that reads constants alone; None where they cannot be said from its operands."""
    kind = node.kind
    if kind == "Constant":
        return [_read_constant(node)]
    operands = [item for item in node.operands if isinstance(item, Constant)]
    if not operands:
        return None
    if kind in ("Shape", "Size"):
        return [shape_of(node, operands[0].shape)]
    if kind in FOLDS and all(item.array is not None for item in operands) and _is_small(kind, operands):
        return _evaluate(node)
    if kind in LAYOUTS and all(item.array is not None for item in operands[1:]):
        return _lay_out(node, operands[0])
    if kind in SHAPES:
        return [Constant(node.proto.output[0], SHAPES[kind](node, operands), None, node.types[0], find_sources(node))]
    if kind in KEEPS:
        return [Constant(operands[0].name, operands[0].shape, None, node.types[0], find_sources(node))]
    return None


def _is_small(kind: str, operands: Sequence[Constant]) -> bool:
    """Tell whether so few numbers come out of these operands, which have few each."""
    if kind in ELEMENTWISE or kind == "Gather":
        return prod(prod(item.shape) for item in operands) <= MAX_NUMBERS**2
    return sum(prod(item.shape) for item in operands) <= MAX_NUMBERS


def _lay_out(node: FileNode, stored: Constant) -> list[Constant]:
    """Lay out parts or forms of a stored tensor whose numbers were not read."""
    if node.kind == "Reshape":
        wanted = node.array(1)
        shapes = [resolve_shape(node, stored.shape, [] if wanted is None else [int(extent) for extent in wanted.flat])]
    else:
        empty = np.broadcast_to(np.int8(0), stored.shape)  # all its places are one byte
        shapes = [view.shape for view in compute(node, [empty, *map(node.array, range(1, len(node.operands)))])]
    return [
        replace(stored, name=stored.name if prod(shape) == prod(stored.shape) else output, shape=shape, array=None)
        for output, shape in zip(node.proto.output, shapes, strict=False)
    ]


def _read_constant(node: FileNode) -> Constant:
    name = next(iter(node.proto.output), "")
    for key, value in node.attributes.items():
        if key == "value" and isinstance(value, onnx.TensorProto):
            found = read_tensor(node, value)
            source = ConstantSource(name, found.shape, found.type, node.file.keeps_weights_in_nodes)
            return replace(found, name=name, sources=(source,))
        if key.startswith("value_") and isinstance(value, int | float | list):
            type = "float32" if "float" in key else "int64"
            array = np.asarray(value, type)
            source = ConstantSource(name, array.shape, type, node.file.keeps_weights_in_nodes)
            return Constant(name, array.shape, array, type, (source,))
    node.fail("is a constant without a number")


def _evaluate(node: FileNode) -> list[Constant]:
    sources = [item for item in node.operands if isinstance(item, Constant)]
    found = compute(node, [item.array if isinstance(item, Constant) else None for item in node.operands])
    name = sources[0].name if node.kind in SAME_NUMBERS else ""
    results, stored = [], find_sources(node)
    for output, type, array in zip(node.proto.output, node.types, found, strict=False):
        kept = np.array(array) if array.size <= MAX_NUMBERS else None
        results.append(Constant(name or output, array.shape, kept, type, stored))
    return results


def _join(node: FileNode, items: Sequence[Constant]) -> tuple[int, ...]:
    axis = node.axis(node.attribute("axis", 0), len(items[0].shape))
    if any(len(item.shape) != len(items[0].shape) for item in items):
        node.fail("joins tensors of different numbers of axes")
    return (*items[0].shape[:axis], sum(item.shape[axis] for item in items), *items[0].shape[axis + 1 :])


def _pick(node: FileNode, items: Sequence[Constant]) -> tuple[int, ...]:
    axis = node.axis(node.attribute("axis", 0), len(items[0].shape))
    return (*items[0].shape[:axis], *items[-1].shape, *items[0].shape[axis + 1 :])


ELEMENTWISE = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Where", "Min", "Max", "And", "Or", "Not", "Neg", "Sqrt"),
    *("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"),
}
"""The operations whose result has the shape that their operands have together."""

SHAPES: Mapping[str, Callable[[FileNode, Sequence[Constant]], tuple[int, ...]]] = {
    **dict.fromkeys(ELEMENTWISE, lambda node, items: broadcast(node, [item.shape for item in items])),
    "Concat": _join,
    "Gather": _pick,
}
"""The shape of what is computed from many numbers, or from numbers that were not read."""

SAME_NUMBERS = {"Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze", "Transpose"}
"""The operations whose result holds the numbers of their operand."""

LAYOUTS = {"Reshape", "Unsqueeze", "Squeeze", "Transpose", "Expand", "Slice", "Split"}
"""The operations whose result is a form, or parts, of their operand."""

KEEPS = {"Identity", "Cast", "DequantizeLinear", "QuantizeLinear", "ScatterND", "ScatterElements"}
"""The operations whose result has the shape of their operand, and stands for it."""


def shape_of(node: FileNode, shape: Sequence[int]) -> Constant:
    """Give the extents of a value, as the operation Shape gives them, or their product."""
    array = np.asarray(shape[node.attribute("start", 0) : node.attribute("end", len(shape))], np.int64)
    if node.kind == "Size":
        array = np.asarray(prod(shape), np.int64)
    return Constant(next(iter(node.proto.output), ""), array.shape, array, "int64")
