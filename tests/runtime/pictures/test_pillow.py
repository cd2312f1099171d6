"""Pictures of any depth and number of channels are resized as the reference formulas say, each channel by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from runtime.pictures.pillow import FILTERS, resize_picture
from runtime.pictures.preprocess import LEVELS
from runtime.pictures.resample import KERNELS, find_places, find_taps, resample


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_pillow_does_as_our_own_resampling(dtype: Any, channels: int, interpolation: str) -> None:
    whole = LEVELS.get(np.dtype(dtype), 1)
    values = 0.25 + np.random.default_rng(0).random((channels, 19, 23)) / 2  # no overshoot leaves the levels
    image, size = np.asarray(np.rint(values * whole) if whole > 1 else values, dtype), (11, 31)
    found = resize_picture(image, interpolation, size)
    taps = [
        find_taps(find_places(old, new), old, old / new, KERNELS[interpolation])
        for old, new in zip(image.shape[1:], size, strict=True)
    ]
    wanted = np.moveaxis(resample(np.moveaxis(image, 0, -1), taps), -1, 0)
    assert (found.dtype, found.shape) == (np.dtype(dtype), (channels, *size))
    allowed = {255: 1.2, 65535: 0.51, 1: 1e-6}[whole]
    assert np.abs(found - wanted).max() < allowed
    (other,) = FILTERS.keys() - {interpolation}
    assert np.abs(resize_picture(image, other, size) - wanted).max() > 2 * allowed  # the control
