"""Joints change places in a mirror, and not in a turn by half a circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.tasks.grid import OutputGrid
from runtime.tasks.heatmaps import draw_heatmaps
from runtime.tasks.mirror import changes_places, check_flip_idx, mirror_points

NAMES, PAIRS = ("nose", "left eye", "right eye"), (0, 2, 1)


def test_a_point_lies_on_its_pixel_of_the_mirrored_image() -> None:
    """The witness is numpy's own `flip` of an image with a bright pixel for each joint."""
    image = np.zeros((3, 6, 9))
    points = np.array([[7, 1, 2], [2, 3, 1], [4, 5, 0]], np.float32)
    for joint, (x, y, _) in enumerate(points.astype(int)):
        image[joint, y, x] = 1
    for axes in ((0,), (1,), (0, 1), ()):
        mirrored = np.flip(image, tuple(axis + 1 for axis in axes))
        found = mirror_points(points, (6, 9), axes, PAIRS)
        for joint, (x, y, _) in enumerate(found.astype(int)):
            source = PAIRS[joint] if changes_places(axes) else joint
            assert mirrored[source, y, x] == 1
        assert found[..., 2].tolist() == ([2, 0, 1] if len(axes) == 1 else [2, 1, 0])
        assert np.array_equal(mirror_points(found, (6, 9), axes, PAIRS), points)


@given(st.lists(st.floats(0, 8, width=32), min_size=6, max_size=6), st.sampled_from([(0,), (1,), (0, 1)]))
def test_heatmaps_of_mirrored_points_are_mirrored_heatmaps(numbers: list[float], axes: tuple[int, ...]) -> None:
    points, grid = np.array(numbers, np.float32).reshape(1, 3, 2), OutputGrid((8, 8), (8, 8))
    drawn = np.flip(draw_heatmaps(points, grid), tuple(axis + 2 for axis in axes))
    drawn = drawn[:, list(PAIRS)] if changes_places(axes) else drawn
    assert np.allclose(draw_heatmaps(mirror_points(points, (8, 8), axes, PAIRS), grid), drawn, atol=1e-4)


def test_unknown_points_stay_unknown() -> None:
    points = np.full((2, 3, 2), np.nan, np.float32)
    assert np.isnan(mirror_points(points, (4, 4), (1,), PAIRS)).all()


@pytest.mark.parametrize(
    ("flip_idx", "told"),
    [
        ((0, 1), r"must name each of the 3 joints once, by 0 to 2; found \[0, 1\]"),
        ((0, 1, 1), "must name each of the 3 joints once"),
        ((0, 1, 3), "must name each of the 3 joints once"),
        ((1, 2, 0), "turns 'nose' into 'left eye' and that into 'right eye'"),
    ],
)
def test_what_is_no_mirror_is_refused(flip_idx: tuple[int, ...], told: str) -> None:
    check_flip_idx(PAIRS, NAMES)
    with pytest.raises(InputError, match=told):
        check_flip_idx(flip_idx, NAMES)
