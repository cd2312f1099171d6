"""Recurrent layers: with the gates in ONNX's order, and the positions in front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from archspec.ops import Gru, Lstm
from archspec.ops.recurrent import Recurrent
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.table import rule

INPUT_OUTPUT_FORGET_CELL = (0, 3, 1, 2)
"""The gates of an LSTM in ONNX's order, each by its place in torch's: input, forget, cell, output."""
UPDATE_RESET_NEW = (1, 0, 2)
"""Those of a GRU, by their places in torch's: reset, update, new."""


@rule(Lstm)
def lstm(op: Lstm, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _recur("LSTM", op, INPUT_OUTPUT_FORGET_CELL, emit, x)


@rule(Gru)
def gru(op: Gru, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return _recur("GRU", op, UPDATE_RESET_NEW, emit, x, linear_before_reset=1)


def _recur(kind: str, op: Recurrent, order: Sequence[int], emit: Emitter, x: OnnxValue, **options: int) -> OnnxValue:
    """Lower a layer: (N, C, L) to (L, N, C) for the node, and (L, directions, N, out) back to (N, directions · out,
    L)."""
    sequence = emit.op("Transpose", [x], perm=[2, 0, 1])
    stored = [_store(name, op, order, emit) for name in ("weight_ih", "weight_hh", "bias")]
    direction = "bidirectional" if op.both else "forward"
    found = emit.op(kind, [sequence, *stored], hidden_size=op.out, direction=direction, **options)
    maps = emit.op("Transpose", [found], perm=[2, 1, 3, 0])
    return emit.op("Reshape", [maps, emit.constant("extents", [0, op.directions * op.out, -1], np.int64)])


def _store(name: str, op: Recurrent, order: Sequence[int], emit: Emitter) -> OnnxValue:
    """Store a matrix of all directions; of the biases both, one behind the other."""
    ways = ("_l0", "_l0_reverse")[: op.directions]
    parts = (f"{name}_ih", f"{name}_hh") if name == "bias" else (name,)

    def arrange(part: str) -> np.ndarray[Any, Any]:
        rows = np.asarray(emit.array(part))
        gates = rows.reshape(op.gates, op.out, *rows.shape[1:])
        return np.concatenate([gates[gate] for gate in order])

    return emit.constant(name, np.stack([np.concatenate([arrange(part + way) for part in parts]) for way in ways]))
