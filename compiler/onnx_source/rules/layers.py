"""Matrix products and normalizations: whatever has weights and no window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from archspec.ops import BatchNorm, Conv, GroupNorm, InstanceNorm, LayerNorm, Linear
from compiler.onnx_source.call import Call, Constant, Operand, Unsaid, Value, broadcast, build
from compiler.onnx_source.ops import NormalizeAlong, Product, Rearrange, Rows
from compiler.onnx_source.rules.table import Rule

NORMS = {
    "LayerNormalization": "layer_norm",
    "RMSNormalization": "rms_norm",
    "LRN": "local_response_norm",
    "LpNormalization": "normalize",
}
"""What torch calls them."""


def gemm(call: Call) -> Operand:
    """alpha · A · B + beta · C, with A or B transposed: a linear layer where B is stored."""
    if isinstance(call.operand(1), Value) or call.attribute("transA", 0):
        return _gemm_of_values(call)
    x, kernel, bias = call.straighten(call.value()), call.stored(1), call.operand(2)
    if len(kernel.shape) != 2 or len(x.shape) != 2:
        call.fail(f"should multiply matrices, found {len(x.shape)} and {len(kernel.shape)} axes")
    inner, out = kernel.shape[::-1] if call.attribute("transB", 0) else kernel.shape
    if inner != x.shape[1]:
        call.fail(f"multiplies {x.shape[1]} columns by {inner} rows")
    if isinstance(bias, Value) or (bias and bias.shape not in ((out,), (1, out))):
        raise Unsaid
    return _linear(call, x, (inner, out), kernel, bias)


def _gemm_of_values(call: Call) -> Operand:
    values = [call.straighten(item) for item in call.operands[:2] if isinstance(item, Value)]
    shapes = [item.shape for item in call.operands[:2] if item is not None]
    if len(shapes) != 2 or {len(shape) for shape in shapes} != {2} or call.operand(2) is not None:
        raise Unsaid
    rows, inner = shapes[0][::-1] if call.attribute("transA", 0) else shapes[0]
    columns = shapes[1][0 if call.attribute("transB", 0) else 1]
    return call.foreign(Product, values, (rows, columns), inner=inner, stored=call.stored_values())


def _linear(call: Call, x: Value, kernel: Sequence[int], weight: Constant, bias: Constant | None) -> Value:
    """A linear layer along the last axis of x, with a kernel (in, out)."""
    inner, out = kernel
    if call.is_map(x, least=2) and len(x.shape) == 2:
        return call.add(build(call, Linear, out=out, bias=bias is not None), x, weight=weight, bias=bias)
    if call.is_map(x) and x.order[-1] == 1:  # the last axis of the file is that of the channels
        op = build(call, Conv, out=out, kernel=1, bias=bias is not None)
        return call.add(op, x, weight=weight, bias=bias)
    x = call.straighten(x)
    stored = {"weight": weight} | ({"bias": bias} if bias else {})
    return call.foreign(Rows, [x], (*x.shape[:-1], out), inner=inner, bias=bias is not None, stored=stored)


def matmul(call: Call) -> Operand:
    a, b = call.operand(0), call.operand(1)
    if a is None or b is None or not a.shape or not b.shape:
        call.fail("should multiply two matrices")
    inner, other = a.shape[-1], b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if inner != other:
        call.fail(f"multiplies {inner} columns by {other} rows")
    if isinstance(a, Value) and isinstance(b, Constant) and len(b.shape) == 2 and len(a.shape) > 1:
        return _linear(call, a, b.shape, b, None)
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise Unsaid
    shape = (*broadcast(call, [a.shape[:-2] or (1,), b.shape[:-2] or (1,)]), a.shape[-2], b.shape[-1])
    rank = max(len(a.shape), len(b.shape))
    values = [call.straighten(item) for item in (a, b) if isinstance(item, Value)]
    return call.foreign(Product, values, shape[-rank:], inner=inner, stored=call.stored_values())


def einsum(call: Call) -> Operand:
    """A product of two values, summed over the letters that the result lacks."""
    takes, _, gives = call.attribute("equation", "").replace(" ", "").partition("->")
    terms = takes.split(",")
    operands = [item for item in call.operands if item is not None]
    if len(terms) != 2 or len(operands) != 2 or "." in takes or not gives:
        raise Unsaid
    extents: dict[str, int] = {}
    for term, item in zip(terms, operands, strict=True):
        if len(term) != len(item.shape):
            call.fail(f"names {len(term)} axes of {len(item.shape)}")
        extents.update(zip(term, item.shape, strict=True))
    inner = 1
    for letter in extents.keys() - set(gives):
        inner *= extents[letter]
    values = [call.straighten(item) for item in operands if isinstance(item, Value)]
    shape = [extents.get(letter, 0) for letter in gives]
    return call.foreign(Product, values, shape, inner=inner, stored=call.stored_values())


def batch_norm(call: Call) -> Operand:
    x = call.value()
    names = ("weight", "bias", "running_mean", "running_var")
    stored = {name: call.stored(position) for position, name in enumerate(names, start=1)}
    if not call.is_map(x, least=2):
        raise Unsaid
    x = call.straighten(x)
    _check_channels(call, x, stored.values())
    return call.add(build(call, BatchNorm, eps=call.attribute("epsilon", 1e-5)), x, **stored)


def instance_norm(call: Call) -> Operand:
    x = call.straighten(call.value())
    stored = {name: call.stored(position) for position, name in enumerate(("weight", "bias"), start=1)}
    if not call.is_map(x):
        raise Unsaid
    _check_channels(call, x, stored.values())
    eps = call.attribute("epsilon", 1e-5)
    if call.comes_from(x, Rearrange) and _is_all(stored["weight"], 1) and _is_all(stored["bias"], 0):
        return call.add(build(call, InstanceNorm, eps=eps), x)  # a group norm in pieces has its own scale behind
    return call.add(build(call, InstanceNorm, affine=True, eps=eps), x, **stored)


def group_norm(call: Call) -> Operand:
    x = call.straighten(call.value())
    stored = {name: call.stored(position) for position, name in enumerate(("weight", "bias"), start=1)}
    if not call.is_map(x) or stored["weight"].shape != (x.shape[1],):  # before opset 21 a scale for each group
        raise Unsaid
    op = build(call, GroupNorm, groups=call.attribute("num_groups", 0), eps=call.attribute("epsilon", 1e-5))
    return call.add(op, x, **stored)


def layer_norm(call: Call) -> Operand:
    """Over the axes from `axis` on, with a scale and perhaps a bias."""
    x, weight, bias = call.value(), call.operand(1), call.operand(2)
    first = call.axis(call.attribute("axis", -1), len(x.shape))
    if first == len(x.shape) - 1 and x.order[first] == 1 and call.is_map(x, least=2) and weight and bias:
        op = build(call, LayerNorm, over="channels", eps=call.attribute("epsilon", 1e-5))
        return call.add(op, x, weight=call.stored(1), bias=call.stored(2))
    return normalize(call, range(first, len(x.shape)))


def normalize(call: Call, axes: Sequence[int]) -> Value:
    x = call.straighten(call.value())
    shift = len(x.shape) - len(call.reader.per_sample(x))
    return call.foreign(
        NormalizeAlong,
        [x],
        x.shape,
        function=NORMS[call.kind],
        axes=tuple(axis - shift for axis in axes),
        stored=call.stored_values(),
    )


def normalize_channels(call: Call) -> Operand:
    return normalize(call, [call.axis(call.attribute("axis", 1), len(call.value().shape))])


def _is_all(stored: Constant, number: float) -> bool:
    return stored.array is not None and bool((stored.array == number).all())


def _check_channels(call: Call, x: Value, stored: Iterable[Constant]) -> None:
    for item in stored:
        if item.shape != (x.shape[1],):
            call.fail(f"has {'×'.join(map(str, item.shape)) or 'one'} stored numbers for {x.shape[1]} channels")


RULES: Mapping[str, Rule] = {
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": einsum,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": layer_norm,
    "LRN": normalize_channels,
    "LpNormalization": normalize_channels,
}
