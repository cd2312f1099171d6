"""The ranges in which a model file rounds its inputs to integers: beyond them it sees their ends alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from runtime.verification.checks import Check
from runtime.verification.model.inside import ModelInside

with extra("run"):
    from compiler.onnx_target.int8.scheme import MIN_SCALE


MIN_STEPS = 8
"""The smallest number of steps over which normal numbers have to spread; else other inputs are made."""


@dataclass(frozen=True, slots=True)
class InputRange:
    """The range in which an input is rounded to integers, which are `step` apart."""

    low: float
    high: float
    step: float

    @property
    def empty(self) -> bool:
        """True if it is a single number: a scale of nothing, or the smallest that is written for one."""
        return not (np.isfinite(self.step) and self.step > MIN_SCALE)

    def cut(self, array: Array) -> Array:
        """The numbers, at most as far as the range goes: what no calibration had is no fault of a node."""
        return array.clip(self.low, self.high).astype(array.dtype)

    def shows(self, array: Array) -> bool:
        """True if numbers fall on several of its steps, and not nearly all beyond its ends."""
        inner = array[(array > self.low) & (array < self.high)]
        return not self.empty and inner.size >= array.size / MIN_STEPS and np.ptp(inner) >= MIN_STEPS * self.step

    def fill(self, array: Array) -> Array:
        """The numbers, where they show what the file does; else others, as many over all of the range."""
        if self.empty or self.shows(array) or array.size < MIN_STEPS:
            return array
        shares = np.random.default_rng(0).permutation(array.size).reshape(array.shape) / (array.size - 1)
        return (self.low + shares * (self.high - self.low)).astype(array.dtype)

    def __str__(self) -> str:
        return f"{self.low:.4g} to {self.high:.4g} in steps of {self.step:.3g}"


def find_ranges(inside: ModelInside) -> dict[str, InputRange]:
    """The ranges of inputs that are rounded where they are read, by name."""
    names = {item.name for item in inside.inputs}
    return {
        node.input[0]: found
        for node in inside.model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] in names
        for found in _read_range(inside, [*node.input[1:], ""])
    }


def check_ranges(ranges: Mapping[str, InputRange]) -> Iterator[Check]:
    """A check of files that round their inputs: that anything is left of these."""
    empty = next((name for name, found in ranges.items() if found.empty), None)
    told = ", ".join(f"{name} {found}" for name, found in ranges.items())
    normal = np.random.default_rng(0).standard_normal(1000)
    if empty is not None:
        text = f"{empty} is rounded to a single number, {ranges[empty].low:.4g}: nothing of an input is left"
        yield Check("ranges", "failed", f"{text}; was it calibrated on data that are all the same?")
    elif not all(found.shows(normal) for found in ranges.values()):
        yield Check(
            "ranges", "noted", f"{told}: not the range of normalized inputs; others are made that reach over it"
        )
    elif ranges:
        yield Check("ranges", "passed", f"inputs are rounded: {told}")


def _read_range(inside: ModelInside, operands: list[str]) -> Iterator[InputRange]:
    """Read the range of a scale and a zero point, where both are stored; of several scales, what all together reach
    over."""
    scale, zero = (inside.find(name) for name in operands[:2])
    if scale is None or (operands[1] and zero is None):
        return
    zero = np.zeros((), np.uint8) if zero is None else zero
    if zero.dtype.kind not in "iu":  # floats of eight bits have no steps
        return
    limits, scale = np.iinfo(zero.dtype), scale.astype(np.float64)
    ends = [(end - zero.astype(np.float64)) * scale for end in (limits.min, limits.max)]
    yield InputRange(float(ends[0].min()), float(ends[1].max()), float(scale.max()))
