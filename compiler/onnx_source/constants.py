"""What depends on no input: stored tensors, and the arithmetic on shapes that exporters leave behind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from math import prod
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from archspec.arrays import Array
from archspec.wording import cut, write_shape
from compiler.onnx_source.call import Call, Constant, Stored, broadcast, resolve_shape
from compiler.onnx_source.file.types import is_floating, name_type

MOST_NUMBERS = 1024
"""Numbers of one constant up to which it is computed; a shape has a handful."""

COUNTS = {"int32", "int64", "uint32", "uint64", "bool", "string"}
"""The types of numbers that stand for no others: positions, extents, conditions."""

Evaluate: TypeAlias = Callable[..., Any]


def read_tensor(call: Call, tensor: onnx.TensorProto) -> Constant:
    """A stored tensor; its numbers where they are few and lie in the file."""
    shape = tuple(tensor.dims)
    if any(extent < 0 or extent >= 1 << 31 for extent in shape):
        call.fail(f"the stored tensor '{cut(tensor.name, 80)}' has the shape {write_shape(shape)}")
    type = name_type(tensor.data_type)
    return Constant(tensor.name, shape, _read_numbers(call, tensor), type, (Stored(tensor.name, shape, type),))


def read_sparse(sparse: onnx.SparseTensorProto) -> Constant:
    """A stored tensor of which the file holds the numbers that are not zero."""
    name, type = sparse.values.name, name_type(sparse.values.data_type)
    return Constant(name, tuple(sparse.dims), None, type, (Stored(name, tuple(sparse.values.dims), type),))


def keeps_weights_in_nodes(graph: onnx.GraphProto) -> bool:
    """Whether a file has no stored tensors of more than one trainable number but those in nodes, as some converters
    write all weights; else the tensors in nodes are the exporter's constants."""
    tensors = (*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer))
    return not any(is_floating(name_type(item.data_type)) and prod(item.dims) > 1 for item in tensors)


def find_sources(call: Call) -> tuple[Stored, ...]:
    """The stored tensors that a node's constant operands were computed from: those of numbers that were trained, or
    stand for such."""
    dequantizes = call.node.op_type == "DequantizeLinear"
    operands = call.operands[:1] if dequantizes or call.node.op_type == "QuantizeLinear" else call.operands
    found = [item for item in operands if isinstance(item, Constant) and (dequantizes or item.type not in COUNTS)]
    return tuple(dict.fromkeys(source for item in found for source in item.sources))


def _read_numbers(call: Call, tensor: onnx.TensorProto) -> Array | None:
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    there = any(len(getattr(tensor, field)) for field in ("raw_data", "float_data", "int32_data", "int64_data"))
    there = there or len(tensor.double_data) > 0 or len(tensor.uint64_data) > 0
    if external or prod(tensor.dims) > MOST_NUMBERS or not (there or prod(tensor.dims) == 0):
        return None
    try:
        return np.asarray(onnx.numpy_helper.to_array(tensor))
    except Exception as error:  # whatever onnx and numpy say of numbers that do not fit their shape
        call.fail(
            f"the stored tensor '{cut(tensor.name, 80)}' cannot be read: {cut(' '.join(str(error).split()), 200)}"
        )


def fold(call: Call) -> list[Constant] | None:
    """The results of a node that reads constants alone; None where they cannot be said from its operands."""
    kind = call.node.op_type
    if kind == "Constant":
        return [_read_constant(call)]
    operands = [item for item in call.operands if isinstance(item, Constant)]
    if not operands:
        return None
    if kind in ("Shape", "Size"):
        return [shape_of(call, operands[0].shape)]
    if kind in FOLDS and all(item.array is not None for item in operands) and _is_small(kind, operands):
        return _evaluate(call)
    if kind in LAYOUTS and all(item.array is not None for item in operands[1:]):
        return _lay_out(call, operands[0])
    if kind in SHAPES:
        return [Constant(call.node.output[0], SHAPES[kind](call, operands), None, call.types[0], find_sources(call))]
    if kind in KEEPS:
        return [Constant(operands[0].name, operands[0].shape, None, call.types[0], find_sources(call))]
    return None


def _is_small(kind: str, operands: Sequence[Constant]) -> bool:
    """Whether so few numbers come out of these operands, which have few each."""
    if kind in ELEMENTWISE or kind == "Gather":
        return prod(prod(item.shape) for item in operands) <= MOST_NUMBERS**2
    return sum(prod(item.shape) for item in operands) <= MOST_NUMBERS


def _lay_out(call: Call, stored: Constant) -> list[Constant]:
    """Parts or forms of a stored tensor whose numbers were not read."""
    if call.node.op_type == "Reshape":
        wanted = call.array(1)
        shapes = [resolve_shape(call, stored.shape, [] if wanted is None else [int(extent) for extent in wanted.flat])]
    else:
        empty = np.broadcast_to(np.int8(0), stored.shape)  # all its places are one byte
        shapes = [view.shape for view in _run(call, [empty, *map(call.array, range(1, len(call.operands)))])]
    return [
        replace(stored, name=stored.name if prod(shape) == prod(stored.shape) else output, shape=shape, array=None)
        for output, shape in zip(call.node.output, shapes, strict=False)
    ]


def _read_constant(call: Call) -> Constant:
    name = next(iter(call.node.output), "")
    for key, value in call.attributes.items():
        if key == "value" and isinstance(value, onnx.TensorProto):
            found = read_tensor(call, value)
            source = Stored(name, found.shape, found.type, call.reader.weights_in_nodes)
            return replace(found, name=name, sources=(source,))
        if key.startswith("value_") and isinstance(value, int | float | list):
            type = "float32" if "float" in key else "int64"
            array = np.asarray(value, type)
            source = Stored(name, array.shape, type, call.reader.weights_in_nodes)
            return Constant(name, array.shape, array, type, (source,))
    call.fail("is a constant without a number")


def _evaluate(call: Call) -> list[Constant]:
    sources = [item for item in call.operands if isinstance(item, Constant)]
    found = _run(call, [item.array if isinstance(item, Constant) else None for item in call.operands])
    name = sources[0].name if call.node.op_type in SAME_NUMBERS else ""
    results, stored = [], find_sources(call)
    for output, type, array in zip(call.node.output, call.types, found, strict=False):
        kept = np.array(array) if array.size <= MOST_NUMBERS else None
        results.append(Constant(name or output, array.shape, kept, type, stored))
    return results


def _run(call: Call, arrays: Sequence[Array | None]) -> list[Array]:
    """What numpy gives for a node."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = FOLDS[call.node.op_type](call, *arrays)
    except (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
        call.fail(f"cannot be computed: {cut(' '.join(str(error).split()), 200)}")
    return found if isinstance(found, list) else [found]


def _join(call: Call, items: Sequence[Constant]) -> tuple[int, ...]:
    axis = call.axis(call.attribute("axis", 0), len(items[0].shape))
    if any(len(item.shape) != len(items[0].shape) for item in items):
        call.fail("joins tensors of different numbers of axes")
    return (*items[0].shape[:axis], sum(item.shape[axis] for item in items), *items[0].shape[axis + 1 :])


def _pick(call: Call, items: Sequence[Constant]) -> tuple[int, ...]:
    axis = call.axis(call.attribute("axis", 0), len(items[0].shape))
    return (*items[0].shape[:axis], *items[-1].shape, *items[0].shape[axis + 1 :])


def _axes(call: Call, axes: Array | None) -> list[int]:
    return call.ints("axes") if axes is None else [int(axis) for axis in np.atleast_1d(axes)]


def _reshape(call: Call, x: Array, shape: Array) -> Array:
    kept = [int(extent) if extent or call.attribute("allowzero", 0) else x.shape[i] for i, extent in enumerate(shape)]
    return x.reshape(kept)


def _unsqueeze(call: Call, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, tuple(_axes(call, axes)))


def _squeeze(call: Call, x: Array, axes: Array | None = None) -> Array:
    chosen = _axes(call, axes)
    return np.squeeze(x, tuple(chosen) if chosen else None)


def _slice(call: Call, x: Array, starts: Array | None = None, ends: Array | None = None, *more: Array | None) -> Array:
    first = call.ints("starts") if starts is None else [int(i) for i in starts]
    last = call.ints("ends") if ends is None else [int(i) for i in ends]
    given = more[0] if more else None
    axes = [int(i) for i in given] if given is not None else call.ints("axes") or list(range(len(first)))
    steps = [int(i) for i in more[1]] if len(more) > 1 and more[1] is not None else [1] * len(first)
    cut = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, first, last, steps, strict=True):
        cut[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(cut)]


def _split(call: Call, x: Array, sizes: Array | None = None) -> list[Array]:
    axis = call.attribute("axis", 0)
    given = call.ints("split") if sizes is None else [int(size) for size in sizes]
    count = len(call.node.output)
    ends = np.cumsum(given)[:-1] if given else np.arange(1, count) * -(-x.shape[axis] // count)
    return np.split(x, ends, axis)


def _cast(call: Call, x: Array, *_: Array) -> Array:
    kind = onnx.helper.tensor_dtype_to_np_dtype(call.attribute("to", 1))
    return x.astype(kind)


def _concat(call: Call, *xs: Array) -> Array:
    return np.concatenate(xs, call.attribute("axis", 0))


def _fill(call: Call, shape: Array) -> Array:
    value = call.attributes.get("value")
    number = onnx.numpy_helper.to_array(value).reshape(-1)[0] if isinstance(value, onnx.TensorProto) else np.float32(0)
    return np.broadcast_to(number, [int(extent) for extent in shape])


def _range(call: Call, start: Array, limit: Array, delta: Array) -> Array:
    count = (limit.item() - start.item()) / delta.item()
    if count > MOST_NUMBERS:
        raise ValueError(f"a range of {count:g} numbers")
    return np.arange(start.item(), limit.item(), delta.item()).astype(start.dtype)


def _expand(call: Call, x: Array, shape: Array) -> Array:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(extent) for extent in shape)))


def _tile(call: Call, x: Array, repeats: Array) -> Array:
    times = [int(count) for count in repeats]
    if prod(times) * x.size > MOST_NUMBERS**2:
        raise ValueError(f"{x.size:,} numbers, repeated {prod(times):,} times")
    return np.tile(x, times)


def _triangle(call: Call, x: Array, k: Array | None = None) -> Array:
    side = np.triu if call.attribute("upper", 1) else np.tril
    return side(x, 0 if k is None else int(k))


def _accumulate(call: Call, x: Array, axis: Array) -> Array:
    if call.attribute("exclusive", 0) or call.attribute("reverse", 0):
        raise ValueError("a sum in another order")
    return np.cumsum(x, int(axis.item()), dtype=x.dtype)


def _div(call: Call, x: Array, y: Array) -> Array:
    """Whole numbers are cut off towards zero, as C does."""
    if x.dtype.kind not in "iu":
        return np.asarray(x / y)
    return np.asarray(np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)


def _reduce(function: Callable[..., Any]) -> Evaluate:
    def run(call: Call, x: Array, axes: Array | None = None) -> Array:
        chosen = tuple(_axes(call, axes)) or None
        result = function(x, axis=chosen, keepdims=bool(call.attribute("keepdims", 1)))
        return np.asarray(result, x.dtype)

    return run


def _plain(function: Callable[..., Any]) -> Evaluate:
    return lambda call, *xs: np.asarray(function(*xs))


def _all(function: Callable[..., Any]) -> Evaluate:
    """A function of two, of any number."""
    return lambda call, *xs: np.asarray(reduce(function, xs))


def _same_type(function: Callable[..., Any]) -> Evaluate:
    return lambda call, x, *xs: np.asarray(function(x, *xs)).astype(x.dtype)


FOLDS: Mapping[str, Evaluate] = {
    "Identity": _plain(np.array),
    "Cast": _cast,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Slice": _slice,
    "Split": _split,
    "Concat": _concat,
    "ConstantOfShape": _fill,
    "Range": _range,
    "Expand": _expand,
    "Div": _div,
    "Tile": _tile,
    "Transpose": lambda call, x: x.transpose(call.ints("perm") or None),
    "Gather": lambda call, x, indices: np.take(x, indices, call.attribute("axis", 0)),
    "Where": _plain(np.where),
    "Add": _same_type(np.add),
    "Sub": _same_type(np.subtract),
    "Mul": _same_type(np.multiply),
    "Pow": _same_type(np.power),
    "Mod": _same_type(np.mod),
    "Neg": _plain(np.negative),
    "Abs": _plain(np.abs),
    "Floor": _plain(np.floor),
    "Ceil": _plain(np.ceil),
    "Round": _plain(np.round),
    "Sqrt": _plain(np.sqrt),
    "Reciprocal": _plain(np.reciprocal),
    "Exp": _plain(np.exp),
    "Log": _plain(np.log),
    "Sin": _plain(np.sin),
    "Cos": _plain(np.cos),
    "Trilu": _triangle,
    "CumSum": _accumulate,
    "Not": _plain(np.logical_not),
    "And": _plain(np.logical_and),
    "Or": _plain(np.logical_or),
    "Equal": _plain(np.equal),
    "Less": _plain(np.less),
    "Greater": _plain(np.greater),
    "LessOrEqual": _plain(np.less_equal),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Min": _all(np.minimum),
    "Max": _all(np.maximum),
    "Sum": _all(np.add),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "ReduceMin": _reduce(np.min),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
}
"""Operations that are computed where their operands are few numbers."""

ELEMENTWISE = {
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Where", "Min", "Max", "And", "Or", "Not", "Neg", "Sqrt"),
    *("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"),
}
"""Their result has the shape that their operands have together."""

SHAPES: Mapping[str, Callable[[Call, Sequence[Constant]], tuple[int, ...]]] = {
    **dict.fromkeys(ELEMENTWISE, lambda call, items: broadcast(call, [item.shape for item in items])),
    "Concat": _join,
    "Gather": _pick,
}
"""The shape of what is computed from many numbers, or from numbers that were not read."""

SAME_NUMBERS = {"Identity", "Cast", "Reshape", "Unsqueeze", "Squeeze", "Transpose"}
"""Their result holds the numbers of their operand."""

LAYOUTS = {"Reshape", "Unsqueeze", "Squeeze", "Transpose", "Expand", "Slice", "Split"}
"""Their result is a form, or parts, of their operand."""

KEEPS = {"Identity", "Cast", "DequantizeLinear", "QuantizeLinear", "ScatterND", "ScatterElements"}
"""Their result has the shape of their operand, and stands for it."""


def shape_of(call: Call, shape: Sequence[int]) -> Constant:
    """The extents of a value, as the operation Shape gives them, or their product."""
    array = np.asarray(shape[call.attribute("start", 0) : call.attribute("end", len(shape))], np.int64)
    if call.node.op_type == "Size":
        array = np.asarray(prod(shape), np.int64)
    return Constant(next(iter(call.node.output), ""), array.shape, array, "int64")
