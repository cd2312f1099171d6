"""Matrix products and normalizations: whatever has weights and no window."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from archspec.ops import BatchNorm, Conv, GroupNorm, InstanceNorm, LayerNorm, Linear, LocalResponseNorm
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.node import broadcast
from compiler.onnx_source.ops.along import NormalizeAlong, NormalizeChannels
from compiler.onnx_source.ops.foreign import Elementwise
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.ops.products import Product, Rows
from compiler.onnx_source.samples import MixedSamplesError, agree
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError

NORMS = {
    "BatchNormalization": "batch_norm",
    "InstanceNormalization": "instance_norm",
    "GroupNormalization": "group_norm",
    "LayerNormalization": "layer_norm",
    "RMSNormalization": "rms_norm",
    "LRN": "local_response_norm",
    "LpNormalization": "normalize",
}
"""The norms by p, as torch calls them."""


def gemm(call: NodeCall) -> Operand:
    """Read a Gemm, alpha · A · B + beta · C, with A or B transposed: a linear layer where B is stored."""
    if isinstance(call.operand(1), FileValue) or call.attribute("transA", 0):
        return _gemm_of_values(call)
    x, kernel, bias = call.straighten(call.value()), call.stored(1), call.operand(2)
    if len(kernel.shape) != 2 or len(x.shape) != 2:
        call.fail(f"should multiply matrices, found {len(x.shape)} and {len(kernel.shape)} axes")
    inner, out = kernel.shape[::-1] if call.attribute("transB", 0) else kernel.shape
    if inner != x.shape[1]:
        call.fail(f"multiplies {x.shape[1]} columns by {inner} rows")
    if bias is None or (isinstance(bias, Constant) and bias.shape in ((out,), (1, out))):
        return _linear(call, x, (inner, out), kernel, bias)
    product = _linear(call, x, (inner, out), kernel, None)
    shape = broadcast(call, [product.shape, bias.shape])
    if shape != product.shape:
        call.fail(f"adds {write_shape(bias.shape)} to {write_shape(product.shape)}")
    values, stored = [product], {}
    if isinstance(bias, FileValue):
        values += [call.straighten(bias)]
    else:
        stored = {"value_0": bias}
    return call.foreign(Elementwise, values, shape, function="add", stored=stored)


def _gemm_of_values(call: NodeCall) -> Operand:
    if len(call.operands) > 2 and call.operand(2) is not None:
        raise UnknownOpError
    if any(len(item.shape) != 2 for item in call.operands[:2] if item is not None):
        call.fail("should multiply matrices")
    terms = "ki" if call.attribute("transA", 0) else "ik", "jk" if call.attribute("transB", 0) else "kj"
    return _multiply(call, terms, "ij")


def _linear(call: NodeCall, x: FileValue, kernel: Sequence[int], weight: Constant, bias: Constant | None) -> FileValue:
    """A linear layer along the last axis of x, with a kernel (in, out)."""
    inner, out = kernel
    if call.is_map(x, least=2) and len(x.shape) == 2:
        return call.add(build(call, Linear, out=out, bias=bias is not None), x, weight=weight, bias=bias)
    if call.is_row(x) and x.order[-1] == 2:  # along the positions
        x = call.writer.exchange(x)
    if call.is_map(x) and x.order[-1] == 1:  # the last axis of the file is that of the channels
        op = build(call, Conv, out=out, kernel=1, bias=bias is not None)
        return call.add(op, x, weight=weight, bias=bias)
    x = call.straighten(x)
    if x.samples and x.samples.axis == len(x.shape) - 1:
        raise MixedSamplesError
    stored = {"weight": weight} | ({"bias": bias} if bias else {})
    return call.foreign(Rows, [x], (*x.shape[:-1], out), inner=inner, bias=bias is not None, stored=stored)


def matmul(call: NodeCall) -> Operand:
    a, b = call.operand(0), call.operand(1)
    if a is None or b is None or not a.shape or not b.shape:
        call.fail("should multiply two matrices")
    inner, other = a.shape[-1], b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if inner != other:
        call.fail(f"multiplies {inner} columns by {other} rows")
    if isinstance(a, FileValue) and isinstance(b, Constant) and len(b.shape) == 2 and len(a.shape) > 1:
        return _linear(call, a, b.shape, b, None)
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise UnknownOpError
    outer = tuple(range(max(len(a.shape), len(b.shape)) - 2))
    terms = [(*outer[len(outer) + 2 - len(item.shape) :], *ends) for item, ends in ((a, "ik"), (b, "kj"))]
    return _multiply(call, terms, (*outer, "i", "j"))


def einsum(call: NodeCall) -> Operand:
    """Add a product of two values, summed over the letters that the result lacks."""
    takes, _, gives = call.attribute("equation", "").replace(" ", "").partition("->")
    terms = takes.split(",")
    if len(terms) != 2 or len(call.operands) != 2 or "." in takes or not gives:
        raise UnknownOpError
    return _multiply(call, terms, gives)


def _multiply(call: NodeCall, terms: Sequence[Sequence[Hashable]], gives: Sequence[Hashable]) -> FileValue:
    """The product of two operands whose axes have these names, summed over those that the result lacks."""
    operands = [item for item in call.operands[:2] if item is not None]
    extents: dict[Hashable, int] = dict.fromkeys(gives, 0)
    places = []
    for term, item in zip(terms, operands, strict=True):
        if len(term) != len(item.shape):
            call.fail(f"names {len(term)} axes of {len(item.shape)}")
        for name, extent in zip(term, item.shape, strict=True):
            if extents.get(name, 0) > 1 and extent not in (1, extents[name]):
                call.fail(f"multiplies {' and '.join(write_shape(other.shape) for other in operands)}")
            extents[name] = max(extents.get(name, 0), extent)
        if isinstance(item, FileValue) and item.samples:
            if term[item.samples.axis] not in gives:
                raise MixedSamplesError
            places.append(replace(item.samples, axis=list(gives).index(term[item.samples.axis])))
    inner = prod(extent for name, extent in extents.items() if name not in gives)
    values = [call.straighten(item) for item in operands if isinstance(item, FileValue)]
    shape = [extents[name] for name in gives]
    stored = call.stored_values()
    fields: dict[str, Any] = {"inner": inner, "details": call.tell("equation", "alpha", "transA", "transB")}
    return call.foreign(Product, values, shape, samples=agree(places), stored=stored, **fields)


def batch_norm(call: NodeCall) -> Operand:
    """Read a batch normalization. One in training mode, in which it gives statistics too, is none: its result depends
    on the batch."""
    if call.attribute("training_mode", 0) or any(call.proto.output[1:]):
        raise UnknownOpError
    x = call.straighten(call.value())
    stored = _read_by_channel(call, x, ("weight", "bias", "running_mean", "running_var"))
    eps = call.attribute("epsilon", 1e-5)
    if call.is_map(x, least=2):
        return call.add(build(call, BatchNorm, eps=eps), x, **stored)
    return _normalize_channels(call, x, stored, ())


def instance_norm(call: NodeCall) -> Operand:
    x = call.straighten(call.value())
    stored = _read_by_channel(call, x, ("weight", "bias"))
    if len(x.shape) < 3:
        call.fail(f"has no positions to normalize over, found {len(x.shape)} axes")
    if not call.is_map(x):
        return _normalize_channels(call, x, stored, range(2, len(x.shape)))
    eps = call.attribute("epsilon", 1e-5)
    if call.comes_from(x, Rearrange) and _is_all(stored["weight"], 1) and _is_all(stored["bias"], 0):
        return call.add(build(call, InstanceNorm, eps=eps), x)  # a group norm in pieces has its own scale behind
    return call.add(build(call, InstanceNorm, affine=True, eps=eps), x, **stored)


def group_norm(call: NodeCall) -> Operand:
    x = call.straighten(call.value())
    stored = {name: call.stored(position) for position, name in enumerate(("weight", "bias"), start=1)}
    if len(x.shape) < 2 or stored["weight"].shape != (x.shape[1],):  # before opset 21 a scale for each group
        raise UnknownOpError
    if not call.is_map(x):
        return _normalize_channels(call, x, stored, range(1, len(x.shape)))
    op = build(call, GroupNorm, groups=call.attribute("num_groups", 0), eps=call.attribute("epsilon", 1e-5))
    return call.add(op, x, **stored)


def _read_by_channel(call: NodeCall, x: FileValue, names: Sequence[str]) -> dict[str, Constant]:
    """Read stored operands of one number for each channel, which are those of the second axis."""
    stored = {name: call.stored(position) for position, name in enumerate(names, start=1)}
    if len(x.shape) < 2:
        call.fail(f"has no channels, found {len(x.shape)} axes")
    call.keep_samples(x)
    for item in stored.values():
        if item.shape != (x.shape[1],):
            call.fail(f"has {write_shape(item.shape, 'one')} stored numbers for {x.shape[1]} channels")
    return stored


def _normalize_channels(call: NodeCall, x: FileValue, stored: Mapping[str, Constant], axes: Iterable[int]) -> FileValue:
    """A norm on a value whose first axis is not the batch alone; statistics are taken over these axes."""
    call.keep_samples(x)
    places, kept = call.places(x, axes), "running_mean" in stored
    fields: dict[str, Any] = {"function": NORMS[call.kind], "channels": x.shape[1], "kept": kept}
    fields["details"] = call.tell("epsilon", "num_groups")
    return call.foreign(NormalizeChannels, [x], x.shape, stored=stored, axes=places, **fields)


def local_response_norm(call: NodeCall) -> Operand:
    """Read a normalization by the channels around each; with an even `size` ONNX has one more behind, and torch
    before."""
    x, size = call.value(), call.attribute("size", 0)
    if not (call.is_map(x) and x.straight and size % 2):
        return normalize_channels(call)
    fields = {"alpha": call.attribute("alpha", 1e-4), "beta": call.attribute("beta", 0.75)}
    return call.add(build(call, LocalResponseNorm, size=size, k=call.attribute("bias", 1.0), **fields), x)


def layer_norm(call: NodeCall) -> Operand:
    """Read a layer normalization, which is over the axes from `axis` on, with a scale and perhaps a bias."""
    x, weight, bias = call.value(), call.operand(1), call.operand(2)
    first = call.axis(call.attribute("axis", -1), len(x.shape))
    if first == len(x.shape) - 1 and x.order[first] == 1 and call.is_map(x, least=2) and weight and bias:
        op = build(call, LayerNorm, over="channels", eps=call.attribute("epsilon", 1e-5))
        return call.add(op, x, weight=call.stored(1), bias=call.stored(2))
    return normalize(call, range(first, len(x.shape)))


def normalize(call: NodeCall, axes: Sequence[int]) -> FileValue:
    x = call.straighten(call.value())
    function, places, stored = NORMS[call.kind], call.places(x, axes), call.stored_values()
    fields: dict[str, Any] = {"function": function, "axes": places, "details": call.tell()}
    return call.foreign(NormalizeAlong, [x], x.shape, stored=stored, **fields)


def normalize_channels(call: NodeCall) -> Operand:
    return normalize(call, [call.axis(call.attribute("axis", 1), len(call.value().shape))])


def _is_all(stored: Constant, number: float) -> bool:
    return stored.array is not None and bool((stored.array == number).all())


RULES: Mapping[str, NodeRule] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": einsum,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": layer_norm,
    "LRN": local_response_norm,
    "LpNormalization": normalize_channels,
}
