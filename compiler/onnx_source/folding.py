"""Nodes computed in numpy: the arithmetic on shapes that exporters leave behind."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper

from archspec.arrays import Array
from archspec.wording import cut
from compiler.onnx_source.node import FileNode

MAX_NUMBERS = 1024
"""The largest number of numbers of a constant that is computed; a shape has a handful."""

FoldRule: TypeAlias = Callable[..., Any]
"""A function from a node and the arrays of its operands to the array of its result, or to a list of several."""


def compute(node: FileNode, arrays: Sequence[Array | None]) -> list[Array]:
    """Compute the results of a node of `FOLDS` on these operands."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = FOLDS[node.kind](node, *arrays)
    except (ArithmeticError, AttributeError, IndexError, KeyError, MemoryError, TypeError, ValueError) as error:
        node.fail(f"cannot be computed: {cut(' '.join(str(error).split()), 200)}")
    return found if isinstance(found, list) else [found]


def _axes(node: FileNode, axes: Array | None) -> list[int]:
    return node.ints("axes") if axes is None else [int(axis) for axis in np.atleast_1d(axes)]


def _reshape(node: FileNode, x: Array, shape: Array) -> Array:
    kept = [int(extent) if extent or node.attribute("allowzero", 0) else x.shape[i] for i, extent in enumerate(shape)]
    return x.reshape(kept)


def _unsqueeze(node: FileNode, x: Array, axes: Array | None = None) -> Array:
    return np.expand_dims(x, tuple(_axes(node, axes)))


def _squeeze(node: FileNode, x: Array, axes: Array | None = None) -> Array:
    chosen = _axes(node, axes)
    return np.squeeze(x, tuple(chosen) if chosen else None)


def _slice(
    node: FileNode, x: Array, starts: Array | None = None, ends: Array | None = None, *more: Array | None
) -> Array:
    first = node.ints("starts") if starts is None else [int(i) for i in starts]
    last = node.ints("ends") if ends is None else [int(i) for i in ends]
    given = more[0] if more else None
    axes = [int(i) for i in given] if given is not None else node.ints("axes") or list(range(len(first)))
    steps = [int(i) for i in more[1]] if len(more) > 1 and more[1] is not None else [1] * len(first)
    taken = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, first, last, steps, strict=True):
        taken[axis] = slice(start, None if step < 0 and end < -x.shape[axis] else end, step)
    return x[tuple(taken)]


def _split(node: FileNode, x: Array, sizes: Array | None = None) -> list[Array]:
    axis = node.attribute("axis", 0)
    given = node.ints("split") if sizes is None else [int(size) for size in sizes]
    count = len(node.proto.output)
    ends = np.cumsum(given)[:-1] if given else np.arange(1, count) * -(-x.shape[axis] // count)
    return np.split(x, ends, axis)


def _cast(node: FileNode, x: Array, *_: Array) -> Array:
    kind = onnx.helper.tensor_dtype_to_np_dtype(node.attribute("to", 1))
    return x.astype(kind)


def _concat(node: FileNode, *xs: Array) -> Array:
    return np.concatenate(xs, node.attribute("axis", 0))


def _fill(node: FileNode, shape: Array) -> Array:
    value = node.attributes.get("value")
    number = onnx.numpy_helper.to_array(value).reshape(-1)[0] if isinstance(value, onnx.TensorProto) else np.float32(0)
    return np.broadcast_to(number, [int(extent) for extent in shape])


def _range(node: FileNode, start: Array, limit: Array, delta: Array) -> Array:
    count = (limit.item() - start.item()) / delta.item()
    if count > MAX_NUMBERS**2:
        raise ValueError(f"a range of {count:g} numbers")
    return np.arange(start.item(), limit.item(), delta.item()).astype(start.dtype)


def _expand(node: FileNode, x: Array, shape: Array) -> Array:
    return np.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(int(extent) for extent in shape)))


def _tile(node: FileNode, x: Array, repeats: Array) -> Array:
    times = [int(count) for count in repeats]
    if prod(times) * x.size > MAX_NUMBERS**2:
        raise ValueError(f"{x.size:,} numbers, repeated {prod(times):,} times")
    return np.tile(x, times)


def _triangle(node: FileNode, x: Array, k: Array | None = None) -> Array:
    side = np.triu if node.attribute("upper", 1) else np.tril
    return side(x, 0 if k is None else int(k))


def _accumulate(node: FileNode, x: Array, axis: Array) -> Array:
    if node.attribute("exclusive", 0) or node.attribute("reverse", 0):
        raise ValueError("a sum in another order")
    return np.cumsum(x, int(axis.item()), dtype=x.dtype)


def _div(node: FileNode, x: Array, y: Array) -> Array:
    """Divide: whole numbers are cut off towards zero, as C does."""
    if x.dtype.kind not in "iu":
        return np.asarray(x / y)
    return np.asarray(np.sign(x) * np.sign(y) * (np.abs(x) // np.abs(y))).astype(x.dtype)


def _reduce(function: Callable[..., Any]) -> FoldRule:
    def run(node: FileNode, x: Array, axes: Array | None = None) -> Array:
        chosen = tuple(_axes(node, axes)) or None
        result = function(x, axis=chosen, keepdims=bool(node.attribute("keepdims", 1)))
        return np.asarray(result, x.dtype)

    return run


def _plain(function: Callable[..., Any]) -> FoldRule:
    return lambda node, *xs: np.asarray(function(*xs))


def _all(function: Callable[..., Any]) -> FoldRule:
    """A function of two, of any number."""
    return lambda node, *xs: np.asarray(reduce(function, xs))


def _same_type(function: Callable[..., Any]) -> FoldRule:
    return lambda node, x, *xs: np.asarray(function(x, *xs)).astype(x.dtype)


FOLDS: Mapping[str, FoldRule] = {
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
    "Transpose": lambda node, x: x.transpose(node.ints("perm") or None),
    "Gather": lambda node, x, indices: np.take(x, indices, node.attribute("axis", 0)),
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
