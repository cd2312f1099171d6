"""The classes of activations: one value in, one of the same shape out, and most are a function of each number."""

from abc import abstractmethod
from math import isfinite
from typing import ClassVar

from archspec.ops.base import Family, Pointwise
from archspec.ops.bounds import UNKNOWN, Bounds
from archspec.ops.signal.gaussian import ChannelMoments, Passed, pass_curve
from archspec.ops.signal.moments import Chance, Doubts, Gradient, Moments, doubt_dropped
from archspec.ops.values import Saves, Shape


class Activation(Pointwise):
    """It keeps the shape."""

    family: ClassVar[Family] = "activation"
    saves: ClassVar[Saves] = "operands"

    def elementwise(self, x: Shape) -> int:
        return x.elements


class Scalar(Activation):
    """A function of each value."""

    image: ClassVar[Bounds] = UNKNOWN
    """The numbers between which its values lie, whatever it is given."""
    rises: ClassVar[bool] = False
    """True if it never falls."""
    bends: ClassVar[tuple[float, ...]] = (0.0,)
    """The points between which it is smooth on the scale of their distances."""

    @abstractmethod
    def curve(self, x: float) -> float:
        """The function of one number."""

    @abstractmethod
    def derivative(self, x: float) -> float: ...

    @property
    def keeps_zeros(self) -> bool:
        return self.curve(0.0) == 0

    def bound(self, x: Bounds) -> Bounds:
        """The numbers between which it lies: where it rises, between what it makes of the ends."""
        if not self.rises:
            return self.image
        return self.image.meet(Bounds(*(self.curve(end) if isfinite(end) else end for end in x)))

    def passed(self, x: ChannelMoments) -> Passed:
        """The moments that it makes of those of a normal value."""
        return pass_curve(self, x)

    def doubt(self, x: Moments) -> Doubts:
        """The reason why the law is not exact for these values."""
        doubts: Doubts = x.doubts if x.normal else x.doubts | {"shape"}
        return doubts if all(axis.profile is None for axis in x.axes) else doubts | {"border"}

    def apply(self, x: ChannelMoments, chance: Chance | None) -> Passed:
        """The moments that it makes of values of which chance sets some to zero."""
        if chance is None:
            return self.passed(x)
        (part, gain), zero = self.passed(chance.given(x)), self.curve(0.0)
        gain = chance.kept * gain + (1 - chance.kept) * self.derivative(0.0) ** 2
        return Passed(chance.spread(part, zero), gain)

    def moments(self, x: Moments) -> Moments:
        chance = x.chance if self.curve(0.0) == 0 else None
        return x.each(lambda part: self.apply(part, x.chance).part, doubts=self.doubt(x), normal=False, chance=chance)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        gains = [(count, self.apply(part, x.chance).gain) for count, part in x.runs]
        return (gradient.by(gains, doubts=gradient.doubts | self.doubt(x) | doubt_dropped(x)),)
