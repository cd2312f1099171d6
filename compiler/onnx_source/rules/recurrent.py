"""Layers that go through a sequence step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule
from compiler.onnx_source.ops.sequences import Recurrent
from compiler.onnx_source.samples import MixedSamplesError, Samples
from compiler.onnx_source.values import Constant, Operand

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


RULES: Mapping[str, NodeRule] = dict.fromkeys(GATES, recurrent)
