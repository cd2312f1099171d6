"""Operations that change nothing, whatever they read."""

from __future__ import annotations

from archspec.ops import (
    Add,
    AvgPool,
    Concat,
    Dropout,
    Flatten,
    MaxPool,
    Mean,
    Mul,
    Op,
    PadChannels,
    Scale,
    ShakeDrop,
    Shape,
    Shift,
    StochasticDepth,
    Upsample,
    Window,
)


def find_idleness(op: Op, *xs: Shape) -> str:
    """Why an operation gives its only operand as it is at these shapes, at training and at inference; nothing where it
    does not, or depends on its weights."""
    match op:
        case Scale(trainable=False, value=1) | Shift(trainable=False, value=0):
            return "it multiplies by one or adds zero"
        case Add() | Mul() | Concat() | Mean():
            return "it has one operand" if len(xs) == 1 else ""
        case MaxPool() | AvgPool():
            return "its window is a single position" if op.window == Window(1, 1, 0) else ""
        case Upsample(scale=1):
            return "it enlarges by one"
        case Flatten():
            return "its operand is a vector" if xs[0].rank == 0 else ""
        case PadChannels():
            return "its operand has as many channels" if op.out == xs[0].channels else ""
        case Dropout(rate=0) | StochasticDepth(survival=1) | ShakeDrop(survival=1):
            return "it drops nothing"
        case _:
            return ""
