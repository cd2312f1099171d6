"""Attention in one piece."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose, sqrt
from typing import Any

from archspec.ops import Attention
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.ops.sequences import FusedAttention
from compiler.onnx_source.samples import MixedSamplesError
from compiler.onnx_source.values import FileValue, Operand, UnknownOpError

ROWS = (0, 2, 1)
"""The order of axes of a row of tokens whose channels are last in the file."""


def attention(call: NodeCall) -> Operand:
    """Read an attention, softmax(Q Kᵀ) V for each head; the heads are an axis of their own, or lie in the last."""
    values = [call.value(position) for position in range(3)]
    heads = call.attribute("q_num_heads", 0), call.attribute("kv_num_heads", 0)
    if call.operand(4) is not None or call.operand(5) is not None or {len(x.shape) for x in values} - {3, 4}:
        raise UnknownOpError  # a cache makes the keys more
    plain = call.operand(3) is None and not call.attribute("softcap", 0.0) and heads[0] == heads[1]
    if plain and _are_rows(values, call.attribute("is_causal", 0)):
        return _read_heads(call, values, heads[0], call.attribute("is_causal", 0))
    return _read_pieces(call, values, heads, call.operand(3), call.tell("is_causal", "scale", "softcap"))


def multi_head_attention(call: NodeCall) -> Operand:
    """Read ONNX Runtime's attention, whose operands are rows, with a term of the scores as the sixth."""
    values, heads = [call.value(position) for position in range(3)], call.attribute("num_heads", 0)
    others = [call.operand(position) for position in range(3, len(call.operands)) if position != 5]
    if any(item is not None for item in others) or {len(x.shape) for x in values} != {3}:
        raise UnknownOpError  # biases of the projections, hidden keys, a cache
    if call.operand(5) is None and _are_rows(values, call.attribute("unidirectional", 0)):
        return _read_heads(call, values, heads, call.attribute("unidirectional", 0))
    return _read_pieces(call, values, (heads, heads), call.operand(5), call.tell("scale", "unidirectional"))


def _are_rows(values: Sequence[FileValue], causal: int) -> bool:
    """True if these are rows of tokens as the language has them; where order counts, those of the same positions."""
    return all(x.order == ROWS for x in values) and (not causal or values[0].shape[1] == values[1].shape[1])


def _read_heads(call: NodeCall, values: Sequence[FileValue], heads: int, causal: int) -> FileValue:
    """The language's attention of rows of tokens."""
    width = _read_width(call, values[0], heads)
    scale = call.attribute("scale", 0.0) or 1 / sqrt(width)
    return call.add(build_attention(call, heads, width, scale, bool(causal)), *values)


def build_attention(call: NodeCall, heads: int, width: int, scale: float, causal: bool = False) -> Attention:
    """Build the language's attention of heads with so many channels; the usual scale is left out."""
    usual = isclose(scale, 1 / sqrt(width), rel_tol=1e-6)
    return build(call, Attention, heads=heads, causal=causal, scale=None if usual else scale)


def _read_pieces(
    call: NodeCall, values: Sequence[FileValue], heads: tuple[int, int], term: Operand, details: Any
) -> FileValue:
    q, k, v = map(call.straighten, values)
    inner, width = _read_width(call, q, heads[0]), _read_width(call, v, heads[1])
    shape = (*q.shape[:-1], width if len(q.shape) == 4 else width * heads[0])
    if any(x.samples and x.samples.axis for x in (q, k, v)):
        raise MixedSamplesError
    fields: dict[str, Any] = {"keys": k.shape[-2], "inner": inner, "values": width, "masked": term is not None}
    others = [call.straighten(term)] if isinstance(term, FileValue) else []
    return call.foreign(FusedAttention, [q, k, v, *others], shape, samples=q.samples, details=details, **fields)


def _read_width(call: NodeCall, x: FileValue, heads: int) -> int:
    """The numbers in each row of one head."""
    if len(x.shape) == 4:
        return x.shape[3]
    if heads < 1 or x.shape[2] % heads:
        call.fail(f"{heads} heads do not divide {x.shape[2]}")
    return x.shape[2] // heads


RULES: Mapping[str, NodeRule] = {"Attention": attention, "com.microsoft:MultiHeadAttention": multi_head_attention}
