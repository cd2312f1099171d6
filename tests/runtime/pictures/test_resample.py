"""Values between values: torch's interpolation is the witness, in each direction and along one axis alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archspec.arrays import Array
from runtime.pictures.resample import find_taps, resize


@pytest.mark.parametrize("size", [(4, 6), (5, 30), (40, 7), (33, 61), (16, 18)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_resizing_is_torchs(size: tuple[int, int], dtype: type) -> None:
    values: Array = (np.random.default_rng(0).random((16, 18, 3)) * 250).astype(dtype)
    found = resize(values, size)
    image = torch.from_numpy(values.astype(np.float64)).permute(2, 0, 1)[None]
    smooth = F.interpolate(image, size, mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - smooth).max() < 1e-4
    nearest = F.interpolate(image, size, mode="nearest")[0].permute(1, 2, 0).numpy()
    assert size == (16, 18) or np.abs(found - nearest).max() > 10
    assert (found is values) == (size == (16, 18))


def test_places_beyond_all_values_have_no_share() -> None:
    taps = find_taps(np.array([-3.0, -0.5, 1.5, 5.0]), 3, 1.0)
    assert taps is not None
    assert taps[1].sum(1).tolist() == [0, 1, 1, 0]
    assert find_taps(np.arange(3.0), 3, 1.0) is None
