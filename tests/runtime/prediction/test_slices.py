"""Three planes through the middle, where one looks for them."""

from __future__ import annotations

import numpy as np

from runtime.prediction.slices import GAP, lay_slices
from tests.support.phantoms import draw_phantom


def test_planes_through_the_middle() -> None:
    values = draw_phantom((5, 6, 7))
    laid = lay_slices(values)
    assert laid.shape == (6, 7 + 7 + 6 + 2 * GAP)
    for row in range(6):
        assert laid[row, :7].tolist() == values[2, 5 - row].tolist(), "the front is above"
    for row in range(5):
        assert laid[row, 7 + GAP : 14 + GAP].tolist() == values[4 - row, 3].tolist(), "up is above"
        assert laid[row, 14 + 2 * GAP :].tolist() == values[4 - row, :, 3].tolist()
    assert not laid[:, 7 : 7 + GAP].any()
    assert not laid[5:, 7:].any()
    assert laid[0, :7].tolist() != values[2, 0].tolist(), "control"


def test_channels_stay() -> None:
    values = np.stack([draw_phantom((5, 6, 7)), -draw_phantom((5, 6, 7))])
    np.testing.assert_array_equal(lay_slices(values)[1], -lay_slices(values)[0])
