"""The place of a picture's own pixels on a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from archspec.arrays import Float64Array

Coordinates = TypeVar("Coordinates", float, Float64Array)


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of an image's own pixels on a network's input: along each axis, `own` of them fill the first `shown` of
    the input's `image` pixels. What lies behind those is padding."""

    own: tuple[int, ...]
    shown: tuple[int, ...]
    image: tuple[int, ...]

    @classmethod
    def whole(cls, image: Sequence[int]) -> Frame:
        """The frame of an image that is the network's input itself."""
        return cls(tuple(image), tuple(image), tuple(image))

    @property
    def resized(self) -> bool:
        """True if the image has other extents there than its own."""
        return self.own != self.shown

    @property
    def padded(self) -> bool:
        """True if the input reaches beyond the image."""
        return self.shown != self.image

    def to_own(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The coordinate in the image's own pixels of one in the input's."""
        return (pixel + 0.5) * self.own[axis] / self.shown[axis] - 0.5

    def from_own(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The inverse of `to_own`."""
        return (pixel + 0.5) * self.shown[axis] / self.own[axis] - 0.5
