"""Layers that go through a sequence step by step, and attention over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule
from compiler.onnx_source.ops.sequences import FusedAttention, Recurrent
from compiler.onnx_source.samples import MixedSamplesError, Samples
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
"""The number of products that each step takes, by operation."""


def recurrent(call: NodeCall) -> list[Operand]:
    """Add a layer along the first axis of a sequence (the second, with `layout`): all its results, and the last
    ones."""
    x, gates = call.straighten(call.value()), GATES[call.kind]
    weights = {"weight": call.stored(1), "recurrent": call.stored(2)}
    if isinstance(call.operand(3), Constant):
        weights["bias"] = call.stored(3)
    directions, rows, inner = _read_matrix(call, weights["weight"])
    if len(x.shape) != 3 or inner != x.shape[2] or rows % gates:
        call.fail(f"{gates} matrices of {rows}×{inner} do not fit {write_shape(x.shape)}")
    hidden, late = rows // gates, call.attribute("layout", 0) == 1
    steps, batch = (x.shape[1], x.shape[0]) if late else x.shape[:2]
    if x.samples and x.samples.axis != (0 if late else 1):
        raise MixedSamplesError
    shape, last = (steps, directions, batch, hidden), (directions, batch, hidden)
    places = Samples(2, x.samples.apart) if x.samples else None, Samples(1, x.samples.apart) if x.samples else None
    if late:
        shape, last = (batch, steps, directions, hidden), (batch, directions, hidden)
        places = x.samples, x.samples
    fields: dict[str, Any] = {"inner": inner, "hidden": hidden, "gates": gates, "bias": "bias" in weights}
    fields["sizes"] = tuple((name, item.shape) for name, item in weights.items())
    fields["details"] = call.tell("direction", "activations", "clip", "linear_before_reset", "input_forget")
    function = call.kind.lower()
    whole = call.foreign(Recurrent, [x], shape, samples=places[0], stored=weights, function=function, **fields)
    ends = [call.move("last", whole, last, samples=places[1]) if call.gives(i) else None for i in (1, 2)]
    return [whole, *ends[: len(call.proto.output) - 1]]


def _read_matrix(call: NodeCall, stored: Constant) -> tuple[int, int, int]:
    if len(stored.shape) != 3:
        call.fail(f"should have a matrix for each direction, found {len(stored.shape)} axes")
    directions, rows, inner = stored.shape
    return directions, rows, inner


def attention(call: NodeCall) -> Operand:
    """Read an attention, softmax(Q Kᵀ) V for each head; the heads are an axis of their own, or lie in the last."""
    q, k, v = (call.straighten(call.value(position)) for position in range(3))
    heads = call.attribute("q_num_heads", 0), call.attribute("kv_num_heads", 0)
    if call.operand(4) is not None or call.operand(5) is not None or {len(x.shape) for x in (q, k, v)} - {3, 4}:
        raise UnknownOpError  # a cache makes the keys more
    inner, values, keys = _read_width(call, q, heads[0]), _read_width(call, v, heads[1]), k.shape[-2]
    shape = (*q.shape[:-1], values if len(q.shape) == 4 else values * heads[0])
    if any(x.samples and x.samples.axis for x in (q, k, v)):
        raise MixedSamplesError
    fields: dict[str, Any] = {"keys": keys, "inner": inner, "values": values, "masked": call.operand(3) is not None}
    details = call.tell("is_causal", "scale", "softcap")
    others = [call.straighten(item) for item in call.operands[3:4] if isinstance(item, FileValue)]
    return call.foreign(FusedAttention, [q, k, v, *others], shape, samples=q.samples, details=details, **fields)


def _read_width(call: NodeCall, x: FileValue, heads: int) -> int:
    """The numbers in each row of one head."""
    if len(x.shape) == 4:
        return x.shape[3]
    if heads < 1 or x.shape[2] % heads:
        call.fail(f"{heads} heads do not divide {x.shape[2]}")
    return x.shape[2] // heads


RULES: Mapping[str, NodeRule] = {**dict.fromkeys(GATES, recurrent), "Attention": attention}
