"""Affine functions of each channel, a · x + b, as batch normalization, scale and shift are: how they are read,
composed, and moved past other operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from archspec.errors import ArchspecError
from archspec.ops import BatchNorm, Flatten, Op, Scale, Shape, Shift
from compiler.graph import Node
from compiler.passes.weight_arrays import WeightArrays, take_double

ChannelVector: TypeAlias = NDArray[np.float64]

MAX_SEARCHED = 64
"""The largest number of nodes that a search for such layers looks at: the time of a pass grows as the graph."""


class Blocked(Exception):  # noqa: N818  (it ends a search, and is no mistake)
    """This ends a search: there is no layer that can take the function; the text says why."""


@dataclass(frozen=True, eq=False, slots=True)
class Affine:
    """The function factor · x + term, one of each for a channel: two arrays (C,)."""

    factor: ChannelVector
    term: ChannelVector

    def then(self, other: Affine) -> Affine:
        """Compose with `other`, of what this one gives."""
        return Affine(other.factor * self.factor, other.factor * self.term + other.term)

    def part(self, start: int, channels: int) -> Affine:
        return Affine(self.factor[start : start + channels], self.term[start : start + channels])

    @property
    def scales(self) -> bool:
        """True if it adds nothing."""
        return not self.term.any()

    @property
    def uniform(self) -> bool:
        """True if it is the same for each channel."""
        return is_uniform(self.factor) and is_uniform(self.term)

    @property
    def changes_nothing(self) -> bool:
        return self.scales and bool((self.factor == 1).all())


def is_uniform(numbers: ChannelVector) -> bool:
    return bool((numbers == numbers[0]).all())


def is_affine(op: Op) -> TypeGuard[BatchNorm | Scale | Shift]:
    return isinstance(op, BatchNorm) or (isinstance(op, Scale | Shift) and op.per != "position")


def read_affine(node: Node, weights: WeightArrays) -> Affine:
    """Read the function that a batch normalization, a scale or a shift computes at inference.

    γ (x - μ) / √(σ² + eps) + β is of this form with a = γ / √(σ² + eps) and b = β - a μ. Raises ArchspecError where a
    variance and eps together are not above zero.
    """

    def stored(name: str) -> ChannelVector:
        return take_double(weights[f"{node.id}.{name}"])

    op, channels = node.op, node.shape.channels
    if isinstance(op, Scale):
        return Affine(np.ones(channels) * (stored("factor") if op.trainable else op.value), np.zeros(channels))
    if isinstance(op, Shift):
        return Affine(np.ones(channels), np.ones(channels) * (stored("term") if op.trainable else op.value))
    assert isinstance(op, BatchNorm)
    variance = stored("running_var") + op.eps
    if variance.min() <= 0:
        found = variance.min() - op.eps
        raise ArchspecError(f"{node.id}.running_var holds {found:.3g}, and no variance is below zero")
    factor = (stored("weight") if op.affine else 1.0) / np.sqrt(variance)
    return Affine(factor, (stored("bias") if op.affine else 0.0) - stored("running_mean") * factor)


def move_behind(op: Op, affine: Affine, x: Shape) -> Affine | None:
    """Find what does to the result of `op` as `affine` does to its operand, of shape `x`; None where nothing does."""
    if isinstance(op, Flatten):
        positions = x.elements // x.channels
        return Affine(affine.factor.repeat(positions), affine.term.repeat(positions))
    return affine if _commutes(op, affine) else None


def move_before(op: Op, affine: Affine, x: Shape) -> Affine | None:
    """Find what does to the operand of `op`, of shape `x`, as `affine` does to its result; None where nothing does."""
    if isinstance(op, Flatten):
        factor, term = affine.factor.reshape(x.channels, -1), affine.term.reshape(x.channels, -1)
        uniform = (factor == factor[:, :1]).all() and (term == term[:, :1]).all()
        return Affine(factor[:, 0], term[:, 0]) if uniform else None
    return affine if _commutes(op, affine) else None


def _commutes(op: Op, affine: Affine) -> bool:
    return op.commutes(flips=bool((affine.factor < 0).any()), adds=not affine.scales)
