"""Functions of several values at the same position."""

from __future__ import annotations

from functools import reduce

import numpy as np

from archspec.ops import Add, Div, Max, Mean, Min, Mul, Shift, Sub, Vote
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.layout import count_channels
from compiler.onnx_target.rules.table import rule


@rule(Add)
def add(op: Add, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """Add two by two, since ONNX Runtime fuses Add into the convolution before it, and Sum into none.

    In rows, what a shift gives goes last: ONNX Runtime's optimizer for transformers takes the first operand that is an
    Add for the projection behind attention, and not the sum with the places of tokens that the first block reads.
    """
    if emit.rows and isinstance(emit.model.graph[emit.node.inputs[0]].op, Shift):
        values = (*values[1:], values[0])
    return reduce(lambda total, value: emit.op("Add", [total, value]), values)


@rule(Mean)
def mean(op: Mean, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """The sum times 1/n, since ONNX Runtime's kernel of Mean is for single precision alone."""
    total = emit.op("Sum", values)
    return emit.op("Mul", [total, emit.constant("share", 1 / len(values))])


@rule(Vote)
def vote(op: Vote, emit: Emitter, *values: OnnxValue) -> OnnxValue:
    """Lower a vote. Votes are counted in whole numbers, which every type holds exactly; and not by OneHot, which has
    not every type."""
    channels = _number_channels(emit, values[0])
    winners = [emit.op("ArgMax", [value], axis=1, keepdims=1) for value in values]
    counts = [emit.cast(emit.op("Equal", [winner, channels]), emit.float_type) for winner in winners]
    return emit.op("Mul", [emit.op("Sum", counts), emit.constant("share", 1 / len(values))])


def _number_channels(emit: Emitter, x: OnnxValue) -> OnnxValue:
    """Make 0, 1, …, laid out as channels."""
    if isinstance(emit.named[1], int):
        numbers = np.arange(emit.before.channels).reshape(-1, *[1] * emit.before.rank)
        return emit.constant("channels", numbers, np.int64)
    scalar = emit.op("Squeeze", [count_channels(emit, x)])
    return emit.op("Range", [emit.constant("zero", 0, np.int64), scalar, emit.constant("one", 1, np.int64)])


for _op, _kind in ((Mul, "Mul"), (Sub, "Sub"), (Div, "Div"), (Max, "Max"), (Min, "Min")):
    rule(_op)(
        lambda op, emit, *values, _kind=_kind: reduce(lambda before, value: emit.op(_kind, [before, value]), values)
    )
