"""Arithmetic on whole numbers that are known when a model is written, or else computed when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from compiler.onnx_target.emitter import Emitter, OnnxValue

Known = NDArray[np.int64]


class WholeNumbers:
    """An array of whole numbers: what is known is computed here, and nodes are written only for the rest."""

    def __init__(self, emit: Emitter, value: Known | OnnxValue) -> None:
        self.emit, self.value = emit, value

    def __add__(self, other: WholeNumbers | int) -> WholeNumbers:
        return self._combine("Add", other)

    def __sub__(self, other: WholeNumbers | int) -> WholeNumbers:
        return self._combine("Sub", other)

    def __mul__(self, other: WholeNumbers | int) -> WholeNumbers:
        return self._combine("Mul", other)

    def __floordiv__(self, other: WholeNumbers | int) -> WholeNumbers:
        return self._combine("Div", other)

    def __mod__(self, other: WholeNumbers | int) -> WholeNumbers:
        return self._combine("Mod", other)

    def least(self, other: WholeNumbers | int) -> WholeNumbers:
        """The smaller of each two numbers."""
        return self._combine("Min", other)

    def count_up(self) -> WholeNumbers:
        """The numbers from zero to below this one."""
        if not isinstance(self.value, OnnxValue):
            return WholeNumbers(self.emit, np.arange(self.value.item()))
        limits = [self._scalar(0), self.emit.op("Squeeze", [self.value]), self._scalar(1)]
        return WholeNumbers(self.emit, self.emit.op("Range", limits))

    def reshape(self, *extents: int) -> WholeNumbers:
        """The numbers in this shape, in which -1 is what is left."""
        if not isinstance(self.value, OnnxValue):
            return WholeNumbers(self.emit, self.value.reshape(extents))
        name = "_".join(["whole", *(str(extent).replace("-1", "rest") for extent in extents)])
        return WholeNumbers(self.emit, self.emit.op("Reshape", [self.value, self._constant(name, extents)]))

    def swap(self) -> WholeNumbers:
        """The numbers with their two axes exchanged."""
        if not isinstance(self.value, OnnxValue):
            return WholeNumbers(self.emit, self.value.T)
        return WholeNumbers(self.emit, self.emit.op("Transpose", [self.value], perm=[1, 0]))

    def write(self, name: str) -> OnnxValue:
        """The numbers as a value of the model: a constant of that name where they are known."""
        return self.value if isinstance(self.value, OnnxValue) else self._constant(name, self.value)

    def _combine(self, kind: str, other: WholeNumbers | int) -> WholeNumbers:
        if isinstance(other, int):
            if other == NEUTRAL.get(kind):
                return self
            other = WholeNumbers(self.emit, np.array([other], np.int64))
        if not isinstance(self.value, OnnxValue) and not isinstance(other.value, OnnxValue):
            return WholeNumbers(self.emit, KNOWN[kind](self.value, other.value))
        operands = [self._lay(one.value) for one in (self, other)]
        return WholeNumbers(self.emit, self.emit.op(kind, operands))

    def _lay(self, value: Known | OnnxValue) -> OnnxValue:
        """A value of the model: what is known by its first number, its last and its shape, of which steps follow."""
        if isinstance(value, OnnxValue):
            return value
        shape = "_".join(map(str, value.shape))
        return self._constant(f"whole_{value.flat[0]}_to_{value.flat[-1]}_in_{shape}", value)

    def _constant(self, name: str, value: Known | Sequence[int]) -> OnnxValue:
        return self.emit.constant(name, value, np.int64)

    def _scalar(self, number: int) -> OnnxValue:
        return self.emit.constant(f"whole_{number}", number, np.int64)


KNOWN: Mapping[str, Callable[[Known, Known], Known]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.floor_divide,
    "Mod": np.mod,
    "Min": np.minimum,
}
"""What numpy computes of known numbers, as ONNX's operations do of those that are not negative."""

NEUTRAL: Mapping[str, int] = {"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}
"""The second operands that change nothing."""


def add_up(terms: Sequence[WholeNumbers]) -> WholeNumbers:
    """The sum of several arrays, whose extents are repeated as numpy repeats them."""
    return reduce(lambda total, term: total + term, terms)
