"""Heatmaps have their peaks where the joints are."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.tasks.grid import OutputGrid
from runtime.tasks.heatmaps import draw_heatmaps, find_peaks

GRID = OutputGrid((32, 64), (8, 16), 4)


def test_a_heatmap_is_a_gaussian_of_one_position() -> None:
    """By hand: the joint is at the centre of row 3, column 5."""
    point = np.array([[[5 * 4 + 1.5, 3 * 4 + 1.5]]])
    (((*rows,),),) = draw_heatmaps(point, GRID)
    found = np.array(rows)
    assert found.shape == (8, 16)
    assert found.dtype == np.float32
    assert found[3, 5] == found.max() == 1
    assert found[3, 6] == found[2, 5] == pytest.approx(np.exp(-0.5))
    assert found[4, 7] == pytest.approx(np.exp(-(1 + 4) / 2))


def test_a_joint_that_is_not_there_has_an_empty_heatmap() -> None:
    assert not draw_heatmaps(np.full((1, 1, 2), np.nan), GRID).any()


def test_joints_come_back_within_a_quarter_of_a_position() -> None:
    """A maximum alone is up to half a position (2 pixels) off; moved by a quarter only one pixel."""
    generator = np.random.default_rng(0)
    points = np.stack([generator.uniform(6, 58, (50, 3)), generator.uniform(6, 26, (50, 3))], -1)
    heatmaps = draw_heatmaps(points, GRID)
    found = find_peaks(heatmaps, GRID)
    assert found.shape == (50, 3, 3)
    assert np.abs(found[..., :2] - points).max() <= 1 + 1e-4
    assert np.array_equal(found[..., 2], heatmaps.max((2, 3)).astype(np.float64))
    swapped = np.abs(found[..., 1::-1] - points).max()
    assert swapped > 10


@pytest.mark.parametrize(
    ("values", "x", "y"),
    [
        ([[0, 0, 0], [0, 5, 0], [0, 0, 0]], 1.0, 1.0),
        ([[0, 0, 0], [0, 5, 1], [0, 0, 0]], 1.25, 1.0),
        ([[0, 2, 0], [1, 5, 0], [0, 1, 0]], 0.75, 0.75),
        ([[9, 8, 0], [0, 5, 0], [0, 0, 0]], 0.0, 0.0),  # at the border nothing is moved
        ([[0, 0, 0], [0, 7, 7], [0, 7, 0]], 1.25, 1.25),  # the first of equal ones
        ([[-3, -3, -3], [-3, -1, -2], [-3, -3, -3]], 1.25, 1.0),
    ],
)
def test_peaks_by_hand(values: list[list[float]], x: float, y: float) -> None:
    heatmap = np.array(values, np.float32)[None, None]
    assert find_peaks(heatmap, OutputGrid((3, 3), (3, 3)))[0, 0, :2].tolist() == [x, y]


def test_peaks_of_a_single_position() -> None:
    assert find_peaks(np.ones((1, 1, 1, 1)), OutputGrid((4, 4), (1, 1), 4)).tolist() == [[[1.5, 1.5, 1.0]]]
