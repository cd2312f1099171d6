"""Values between values: torch's interpolation is the witness, in each direction and along one axis alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archspec.arrays import Array
from runtime.pictures.resample import KERNELS, find_nearest, find_places, find_taps, resample

SIZES = [(4, 6), (5, 30), (40, 7), (33, 61), (16, 18)]


def resize(values: Array, size: tuple[int, int], kernel: str) -> Array:
    taps = [
        find_taps(find_places(extent, wanted), extent, extent / wanted, KERNELS[kernel])
        for extent, wanted in zip(values.shape, size, strict=False)
    ]
    return resample(values, taps, np.float32)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resizing_is_torchs(size: tuple[int, int], dtype: type, kernel: str) -> None:
    values: Array = (np.random.default_rng(0).random((16, 18, 3)) * 250).astype(dtype)
    found = resize(values, size, kernel)
    image = torch.from_numpy(values.astype(np.float64)).permute(2, 0, 1)[None]
    smooth = F.interpolate(image, size, mode=kernel, antialias=True)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - smooth).max() < 1e-3 * (1 if kernel == "bicubic" else 0.1)
    nearest = F.interpolate(image, size, mode="nearest")[0].permute(1, 2, 0).numpy()
    assert size == (16, 18) or np.abs(found - nearest).max() > 10
    assert (found is values) == (size == (16, 18))


@pytest.mark.parametrize("size", SIZES)
def test_the_nearest_are_torchs(size: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random((16, 18))
    found = values[np.ix_(*(find_nearest(*pair) for pair in zip(values.shape, size, strict=True)))]
    image = torch.from_numpy(values)[None, None]
    assert np.array_equal(found, F.interpolate(image, size, mode="nearest-exact")[0, 0].numpy())
    assert size == (16, 18) or not np.array_equal(found, F.interpolate(image, size, mode="nearest")[0, 0].numpy())


def test_places_beyond_all_values_have_no_share() -> None:
    taps = find_taps(np.array([-3.0, -0.5, 1.5, 5.0]), 3, 1.0)
    assert taps is not None
    assert taps[1].sum(1).tolist() == [0, 1, 1, 0]
    assert find_taps(np.arange(3.0), 3, 1.0) is None
