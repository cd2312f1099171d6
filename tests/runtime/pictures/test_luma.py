"""The gray of a colour is Pillow's, at every depth."""

from __future__ import annotations

import numpy as np
from PIL import Image

from runtime.pictures.luma import find_luma


def test_levels_are_pillows() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    assert np.array_equal(find_luma(colours), np.asarray(Image.fromarray(colours).convert("L")))
    values = find_luma(colours / np.float32(255))
    assert values.dtype == np.float32
    assert np.abs(values * 255 - find_luma(colours)).max() <= 0.5 + 1e-3
    deep = find_luma(colours.astype(np.uint16) * 257)
    assert np.abs(deep / 257 - values * 255).max() < 0.01
    assert np.array_equal(find_luma(np.full((1, 3), 65535, np.uint16)), [65535])
