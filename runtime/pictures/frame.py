"""The place of a picture's own pixels on a network's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from archspec.arrays import Float64Array

Coordinates = TypeVar("Coordinates", float, Float64Array)


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of an image's own pixels on a network's input, along each axis: `own` of them are resized to `shown`,
    the first of which lies at `start` of the input's `image` pixels.

    What of them lies before the input or behind it, as a `start` below zero says, is cut away; what they do not fill
    of it is padding. Pixel centres have whole numbers.
    """

    own: tuple[int, ...]
    shown: tuple[int, ...]
    image: tuple[int, ...]
    start: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.start or (0,) * len(self.own))

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
        return any(before > 0 or behind > 0 for before, behind in self.padding)

    @property
    def cropped(self) -> bool:
        """True if the image reaches beyond the input."""
        return any(before < 0 or behind < 0 for before, behind in self.padding)

    @property
    def padding(self) -> tuple[tuple[int, int], ...]:
        """The input's pixels before the image and behind it, along each axis; below zero those that are cut away."""
        return tuple(
            (start, image - shown - start)
            for start, shown, image in zip(self.start, self.shown, self.image, strict=True)
        )

    def find_kept(self) -> tuple[slice, ...]:
        """Find along each axis which pixels of the resized image lie on the input."""
        return tuple(
            slice(max(0, -before), shown + min(0, behind))
            for shown, (before, behind) in zip(self.shown, self.padding, strict=True)
        )

    def find_filled(self) -> tuple[slice, ...]:
        """Find along each axis which pixels of the input show the image."""
        return tuple(
            slice(max(0, before), image - max(0, behind))
            for image, (before, behind) in zip(self.image, self.padding, strict=True)
        )

    def to_own(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The coordinate in the image's own pixels of one in the input's."""
        return (pixel - self.start[axis] + 0.5) * self.own[axis] / self.shown[axis] - 0.5

    def from_own(self, pixel: Coordinates, axis: int) -> Coordinates:
        """The inverse of `to_own`."""
        return (pixel + 0.5) * self.shown[axis] / self.own[axis] - 0.5 + self.start[axis]
