"""Whether images can be those that a network is for, as far as their numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, list_some, tell_count
from runtime.int8.data import CalibrationData

FEW = 8
"""Images below which it is said that there are few."""

HUGE = 1e6
"""No usual preparation of pictures, sounds or measurements leaves larger numbers."""

BESIDE = 0.01
"""The part of a picture's possible range by which rounding may make numbers leave it."""

ROUGHLY = 0.25
"""Images that cover less than this part of what a picture can hold were perhaps not prepared as the network wants."""


class InputExtremes:
    """The extremes of each channel of the images, held against what the network takes."""

    def __init__(self, data: CalibrationData) -> None:
        self.data = data
        self.lows = np.full(data.shape[:1], np.inf)
        self.highs = np.full(data.shape[:1], -np.inf)

    def add(self, images: npt.NDArray[Any]) -> None:
        """Take images, (N, C, ...), into account."""
        places = images.reshape(*images.shape[:2], -1)
        self.lows = np.minimum(self.lows, places.min(axis=(0, 2)))
        self.highs = np.maximum(self.highs, places.max(axis=(0, 2)))

    def judge(self) -> tuple[str, ...]:
        """What is odd about the images, in words.

        Raises ArchspecError where there is nothing to learn from them (all numbers are the same) or where, given how
        pictures are prepared for the network, none can have such numbers.
        """
        name, low, high = self.data.name, float(self.lows.min()), float(self.highs.max())
        if low == high:
            raise ArchspecError(
                f"every number of the calibration data {name} is {low:g}: no range can be learned from it; give images "
                "as the network will see them"
            )
        notes = list(self.data.notes)
        if len(self.data) < FEW:
            notes.append(f"the ranges are those of {tell_count(len(self.data), 'image')}: others may reach beyond them")
        constant = np.flatnonzero(self.lows == self.highs).tolist()
        if constant:
            notes.append(f"the calibration data {name} has the same number everywhere in {_list_channels(constant)}")
        if self.data.bounds is not None:
            notes += self._hold_against_pictures(*self.data.bounds)
        elif max(-low, high) > HUGE:
            notes.append(f"the calibration data reaches from {low:g} to {high:g}: is it prepared as for training?")
        return tuple(notes)

    def _hold_against_pictures(self, darkest: npt.NDArray[Any], brightest: npt.NDArray[Any]) -> list[str]:
        """Pixels from 0 to 1, normalized, lie between the darkest and the brightest of each channel."""
        width = brightest - darkest
        beyond = np.maximum(darkest - self.lows, self.highs - brightest) / width
        covered = (self.highs - self.lows) / width
        worst, most = int(beyond.argmax()), int(covered.argmax())
        found = f"channel {worst} reaches from {self.lows[worst]:.4g} to {self.highs[worst]:.4g}"
        possible = (
            f"a picture's, as the weights' metadata prepare it, from {darkest[worst]:.4g} to {brightest[worst]:.4g}"
        )
        remedy = "subtract the mean from pixels between 0 and 1 and divide by the standard deviation, or give pictures"
        if beyond[worst] > 1:
            raise ArchspecError(f"{self.data.name} was not prepared for the network: its {found}; {possible}; {remedy}")
        notes = []
        if beyond[worst] > BESIDE:
            notes.append(f"the calibration data is not all of pictures: its {found}; {possible}")
        if covered[most] < ROUGHLY:
            part = f"covers {covered[most]:.1%} of the numbers that a picture can have"
            notes.append(f"the calibration data {part}: if its images are not all so dim, {remedy}")
        return notes


def _list_channels(numbers: list[int]) -> str:
    return f"channel{'s' * (len(numbers) > 1)} {list_some(numbers, separator=', ')}"
