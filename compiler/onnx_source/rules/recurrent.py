"""Layers that go through a sequence step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from archspec.ops import Gru, Lstm
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.ops.sequences import LAYERS, Recurrent
from compiler.onnx_source.samples import MixedSamplesError, SampleAxis
from compiler.onnx_source.turned import AXES, BATCH, DIRECTION, HIDDEN, STEP, Parts, TurnedRow, turn_row
from compiler.onnx_source.values import Constant, FileValue, Operand

GATES = {kind: layer.gates for kind, layer in LAYERS.items()} | {"RNN": 1}
"""The number of products that each step takes, by operation."""

USUAL = {"LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"]}
"""The functions of the gates where a node names none, for one direction."""


def recurrent(call: NodeCall) -> list[Operand]:
    """Add a layer along the first axis of a sequence (the second, with `layout`): all its results, and the last
    ones."""
    said = _say(call)
    if said is None:
        return _add_foreign(call)
    op, row = said
    weights, late = _read_weights(call), _is_late(call)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    found = call.add(op, row, **dict(zip(names, weights.values(), strict=True)))
    straight = turn_row(found).row
    batch, _, steps = straight.shape
    parts: Parts = ((STEP,), (DIRECTION,), (BATCH,), (HIDDEN,))
    shape = (steps, op.directions, batch, op.out)
    if late:
        parts, shape = ((BATCH,), (STEP,), (DIRECTION,), (HIDDEN,)), (batch, steps, op.directions, op.out)
    places = replace(straight.samples, axis=0 if late else 2) if straight.samples else None
    whole = call.move("steps", found, shape, samples=places)
    call.remember(whole, TurnedRow(straight, parts, op.directions))
    return [whole, *_add_ends(call, whole, late)]


def _say(call: NodeCall) -> tuple[Lstm | Gru, FileValue] | None:
    """The layer of the language that a node is, and the row of tokens that it goes along; None where it is none."""
    layer, turned = LAYERS.get(call.kind), call.find_turned(call.value())
    weights, direction = _read_weights(call), call.attribute("direction", "forward")
    if layer is None or turned is None or "bias" not in weights or direction not in ("forward", "bidirectional"):
        return None
    if not _is_usual(call) or any(not _is_left_out(call.operand(i)) for i in range(4, len(call.operands))):
        return None
    batch_axis = 0 if _is_late(call) else 1
    steps = turned.parts[1 - batch_axis]
    if len(turned.parts) != 3 or turned.parts[batch_axis] != (BATCH,) or steps not in AXES:
        return None
    ways, out = 1 + (direction == "bidirectional"), weights["recurrent"].shape[-1:]
    rows = GATES[call.kind] * sum(out)
    shapes = (ways, rows, call.value().shape[2]), (ways, rows, *out), (ways, 2 * rows)
    if tuple(item.shape for item in weights.values()) != shapes:
        return None
    row = turned.row if steps == (STEP,) else call.writer.exchange(turned.row)
    return build(call, layer, out=sum(out), both=ways == 2), row


def _is_usual(call: NodeCall) -> bool:
    """True if the gates have their usual functions, as torch has them."""
    ways = 2 if call.attribute("direction", "forward") == "bidirectional" else 1
    functions = [name.lower() for name in call.strings("activations")]
    usual = functions in ([], ways * USUAL.get(call.kind, []))
    plain = "clip" not in call.attributes and not call.attribute("input_forget", 0)
    return usual and plain and (call.kind != "GRU" or call.attribute("linear_before_reset", 0) == 1)


def _is_left_out(operand: Operand) -> bool:
    """True for an initial state that is not given, or that is zero."""
    return operand is None or (
        isinstance(operand, Constant) and operand.array is not None and not np.any(operand.array)
    )


def _read_weights(call: NodeCall) -> dict[str, Constant]:
    weights = {"weight": call.stored(1), "recurrent": call.stored(2)}
    return weights | ({"bias": call.stored(3)} if isinstance(call.operand(3), Constant) else {})


def _is_late(call: NodeCall) -> bool:
    """True if the batch stands before the steps."""
    return call.attribute("layout", 0) == 1


def _add_ends(call: NodeCall, whole: FileValue, late: bool) -> list[FileValue | None]:
    """Add what stands at the end of a sequence, where something reads it."""
    axes = (0, 2, 3) if late else (1, 2, 3)
    last = tuple(whole.shape[axis] for axis in axes)
    samples = whole.samples and replace(whole.samples, axis=0 if late else 1)
    ends = [call.move("last", whole, last, samples=samples) if call.gives(i) else None for i in (1, 2)]
    return ends[: len(call.proto.output) - 1]


def _add_foreign(call: NodeCall) -> list[Operand]:
    x, gates, weights = call.straighten(call.value()), GATES[call.kind], _read_weights(call)
    directions, rows, inner = _read_matrix(call, weights["weight"])
    if len(x.shape) != 3 or inner != x.shape[2] or rows % gates:
        call.fail(f"{gates} matrices of {rows}×{inner} do not fit {write_shape(x.shape)}")
    hidden, late = rows // gates, _is_late(call)
    steps, batch = (x.shape[1], x.shape[0]) if late else x.shape[:2]
    if x.samples and x.samples.axis != (0 if late else 1):
        raise MixedSamplesError
    shape = (batch, steps, directions, hidden) if late else (steps, directions, batch, hidden)
    samples = x.samples and SampleAxis(0 if late else 2, x.samples.apart)
    fields: dict[str, Any] = {"inner": inner, "hidden": hidden, "gates": gates, "bias": "bias" in weights}
    fields["sizes"] = tuple((name, item.shape) for name, item in weights.items())
    fields["details"] = call.tell("direction", "activations", "clip", "linear_before_reset", "input_forget")
    function = call.kind.lower()
    whole = call.foreign(Recurrent, [x], shape, samples=samples, stored=weights, function=function, **fields)
    return [whole, *_add_ends(call, whole, late)]


def _read_matrix(call: NodeCall, stored: Constant) -> tuple[int, int, int]:
    if len(stored.shape) != 3:
        call.fail(f"should have a matrix for each direction, found {len(stored.shape)} axes")
    directions, rows, inner = stored.shape
    return directions, rows, inner


RULES: Mapping[str, NodeRule] = dict.fromkeys(GATES, recurrent)
