"""The check that images can be those that a network is for, as far as their numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import InputError
from archspec.wording import list_some
from compiler.onnx_target.int8.scheme import MIN_SCALE
from runtime.int8.data import CalibrationData

MIN_IMAGES_FOR_FOLDS = 8
"""The smallest number of images that are dealt into folds: of fewer a value's numbers are few anyway."""

MIN_WIDTH = 255 * MIN_SCALE
"""The smallest width of a range: numbers that are all nearer to each other no scale of eight bits tells apart."""

TINY, HUGE = 1e-6, 1e6
"""No usual preparation of pictures, sounds or measurements leaves numbers that are all smaller, or larger ones."""

MIN_PIXEL_STEP = 1 / 65535
"""The smallest step between two pixels of a picture, as a part of what it can hold."""

BESIDE = 0.01
"""The part of a picture's possible range by which rounding may make numbers leave it."""

ROUGHLY = 0.25
"""Images that cover less than this part of what a picture can hold were perhaps not prepared as the network wants."""


class InputExtremes:
    """The extremes of each position of the images, held against what the network takes."""

    def __init__(self, data: CalibrationData) -> None:
        self.data = data
        self.places_low = np.full(data.shape, np.inf)
        self.places_high = np.full(data.shape, -np.inf)
        self.whole = True

    def add(self, images: npt.NDArray[Any]) -> None:
        """Take images, (N, C, ...), into account."""
        self.places_low = np.minimum(self.places_low, images.min(axis=0))
        self.places_high = np.maximum(self.places_high, images.max(axis=0))
        self.whole = self.whole and images.dtype.kind == "f" and bool((images == np.rint(images)).all())

    @property
    def lows(self) -> npt.NDArray[np.float64]:
        """The lowest number of each channel."""
        return np.asarray(self.places_low.reshape(len(self.places_low), -1).min(axis=1))

    @property
    def highs(self) -> npt.NDArray[np.float64]:
        """The highest number of each channel."""
        return np.asarray(self.places_high.reshape(len(self.places_high), -1).max(axis=1))

    def judge(self) -> tuple[str, ...]:
        """Say what is odd about the images.

        Raises InputError where there is nothing to learn from them, since all numbers are the same or next to
        nothing, or where, given how pictures are prepared for the network, none can have such numbers.
        """
        name, lows, highs = self.data.name, self.lows, self.highs
        self._refuse_empty(lows, highs)
        notes = list(self.data.notes)
        constant = np.flatnonzero(lows == highs).tolist()
        if constant:
            notes.append(f"the calibration data {name} has the same number everywhere in {_list_channels(constant)}")
        if self.data.bounds is not None:
            return (*notes, *self._hold_against_pictures(lows, highs, *self.data.bounds))
        low, high = float(lows.min()), float(highs.max())
        if not TINY <= max(-low, high) <= HUGE:
            notes.append(f"the calibration data reaches from {low:g} to {high:g}: is it prepared as for training?")
        elif self.whole and low >= 0 and 1 < high < 1 / MIN_PIXEL_STEP + 1:
            notes.append(
                f"the calibration data are whole numbers from {low:g} to {high:g}, as pixels that nobody prepared: are "
                "they such as in training?"
            )
        return tuple(notes)

    def _refuse_empty(self, lows: npt.NDArray[Any], highs: npt.NDArray[Any]) -> None:
        name, remedy = self.data.name, "no range can be learned from it; give images as the network will see them"
        low, high = float(lows.min()), float(highs.max())
        if low == high:
            raise InputError(f"every number of the calibration data {name} is {low:g}: {remedy}")
        if (lows == highs).all() and self.places_low[0].size > 1:
            raise InputError(f"the calibration data {name} has one number in each channel: {remedy}")
        if high - low < MIN_WIDTH:
            raise InputError(
                f"the calibration data {name} reaches from {low:g} to {high:g}, too little for any scale: {remedy}"
            )

    def _hold_against_pictures(
        self,
        lows: npt.NDArray[Any],
        highs: npt.NDArray[Any],
        darkest: npt.NDArray[Any],
        brightest: npt.NDArray[Any],
    ) -> list[str]:
        """Compare with pictures: pixels from 0 to 1, normalized, lie between the darkest and the brightest of each
        channel."""
        width = brightest - darkest
        beyond = np.maximum(darkest - lows, highs - brightest) / width
        covered = (highs - lows) / width
        worst, most = int(beyond.argmax()), int(covered.argmax())
        found = f"channel {worst} reaches from {lows[worst]:.4g} to {highs[worst]:.4g}"
        possible = (
            f"a picture's, as the weights' metadata prepare it, from {darkest[worst]:.4g} to {brightest[worst]:.4g}"
        )
        remedy = "subtract the mean from pixels between 0 and 1 and divide by the standard deviation, or give pictures"
        if beyond[worst] > 1:
            raise InputError(f"{self.data.name} was not prepared for the network: its {found}; {possible}; {remedy}")
        if covered[most] < MIN_PIXEL_STEP / 2:
            raise InputError(
                f"{self.data.name} was not prepared for the network: its numbers are at most "
                f"{(highs - lows)[most]:.4g} apart, less than two shades of a picture; {remedy}"
            )
        notes = []
        if beyond[worst] > BESIDE:
            notes.append(f"the calibration data is not all of pictures: its {found}; {possible}")
        if covered[most] < ROUGHLY:
            part = f"covers {covered[most]:.1%} of the numbers that a picture can have"
            notes.append(f"the calibration data {part}: if its images are not all so dim, {remedy}")
        elif (darkest < 0).all() and lows.min() >= 0 and highs.max() <= 1:
            notes.append(
                "the calibration data lies between 0 and 1, nowhere below the mean of pictures, as pixels do that "
                f"nobody prepared: if its images are not all so bright, {remedy}"
            )
        return notes


def _list_channels(numbers: list[int]) -> str:
    return f"channel{'s' * (len(numbers) > 1)} {list_some(numbers, separator=', ')}"
