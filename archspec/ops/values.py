"""The values that operations speak of: shapes, stored tensors, what training keeps, and how a value lies in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import prod, sqrt
from typing import Literal, NamedTuple, TypeAlias

from archspec.wording import write_shape

ONE = Fraction(1)


class Shape(tuple[int, ...]):
    """The extents of one value without its batch axis: channels first, then at most three spatial extents.

    >>> shape = archspec.ops.Shape(64, 56, 48)
    >>> print(shape, shape.channels, shape.space, shape.elements)
    64×56×48 64 (56, 48) 172032
    """

    __slots__ = ()

    def __new__(cls, channels: int, *space: int) -> Shape:
        return super().__new__(cls, (channels, *space))

    @property
    def channels(self) -> int:
        return self[0]

    @property
    def space(self) -> tuple[int, ...]:
        return self[1:]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self) - 1

    @property
    def elements(self) -> int:
        return prod(self)

    def __str__(self) -> str:
        return write_shape(self)


Init: TypeAlias = Literal["he", "he_fan_out", "glorot", "torch", "zeros"]

NumberType: TypeAlias = Literal["float", "int"]
"""The numbers of a value: any, or whole ones, which name rows of a table."""

Draw: TypeAlias = Literal["sample", "batch"]
"""The two ways of chance: it decides for each sample by itself, or once for a whole batch."""


@dataclass(frozen=True, slots=True)
class Weight:
    """One stored tensor: its shape, how it starts (a rule's name, or a constant), whether gradients change it, and
    whether it is a buffer: a statistic that is kept beside the parameters.

    `fan_in` is the number of inputs that one output sums over, on average, `fan_out` the number of outputs that one
    input reaches; what a rule draws is multiplied by `gain`.
    """

    shape: tuple[int, ...]
    init: Init | float
    trainable: bool = True
    buffer: bool = False
    fan_in: Fraction | int = 1
    fan_out: int = 1
    gain: float = 1.0
    std: float = 0.0
    """The standard deviation of normal first values around a constant."""
    type: str | None = None
    """The type of its numbers in the file that it was read from, in numpy's words; None where none says it."""

    @property
    def numel(self) -> int:
        return prod(self.shape)

    @property
    def deviation(self) -> float:
        """The standard deviation of its first values.

        he and he_fan_out: √(2/fan) (He et al., 2015); glorot: √(2/(fan_in + fan_out)) (Glorot and Bengio, 2010); torch:
        √(1/(3 fan_in)), of a uniform draw in ±1/√fan_in, as torch's layers start; each times `gain`.
        """
        variance = {
            "he": 2 / self.fan_in,
            "he_fan_out": 2 / self.fan_out,
            "glorot": 2 / (self.fan_in + self.fan_out),
            "torch": 1 / (3 * self.fan_in),
        }
        return self.gain * sqrt(variance.get(str(self.init), 0.0))


Weights: TypeAlias = dict[str, Weight]


@dataclass(frozen=True, slots=True)
class Saved:
    """The values that training keeps of one operation for its backward pass: operands by their position, the result,
    and tensors of its own, as numbers of elements for the whole batch."""

    operands: tuple[int, ...] = ()
    result: bool = False
    values: int = 0
    """The elements at the precision of the network's values."""
    products: tuple[tuple[int, int], ...] = ()
    """The elements of values made on the way, each with how many of the first operands it is made of."""
    full: int = 0
    """The elements of four bytes at any precision: means and deviations, and what weights are made of."""
    indices: int = 0
    """The elements of eight bytes."""
    kernels: int = 0
    """The elements of stored weights that the backward pass reads; mixed precision copies them."""


Saves: TypeAlias = Literal["nothing", "operands", "result"]

Casting: TypeAlias = Literal["narrow", "full", "widest", "promoted"]
"""The ways in which mixed precision computes: with all operands in two bytes (`narrow`) or four (`full`); as wide as
the widest of them; or in four, since stored numbers take part, with operands as they are (`promoted`)."""


class Layout(NamedTuple):
    """The way in which a value lies in memory: in the order of its axes or with the channels last, and without gaps,
    within a sample (`dense`) and between samples too (`whole`), or as a view of more."""

    channels_last: bool = False
    dense: bool = True
    whole: bool = True

    def is_in_order(self, x: Shape) -> bool:
        """True if the numbers of each sample lie in the order of their axes."""
        return self.dense and not (self.channels_last and x.channels > 1 and prod(x.space) > 1)

    def is_told(self, x: Shape) -> bool:
        """True if torch sees the format of its operand: a single channel may count as last or not, by who made it."""
        return x.rank < 2 or x.channels > 1 or not self.channels_last

    def by_format(self, x: Shape) -> Layout:
        """The layout of a result which torch makes in the format of its operand: with channels last for two or three
        axes."""
        return Layout(self.channels_last and x.rank > 1)


class OpError(ValueError):
    """An operation cannot take what it is given; `field` names the field to point at, `code` is the diagnostic's."""

    code = "shape-mismatch"

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def count_draws(draw: Draw, batch: int) -> int:
    """The number of numbers that chance draws for a batch."""
    return batch if draw == "sample" else 1


def in_words(shapes: Iterable[Shape]) -> str:
    """Write shapes as `64×8×8, 64×8×8 and 32×8×8`."""
    *head, last = map(str, shapes)
    return f"{', '.join(head)} and {last}" if head else last
