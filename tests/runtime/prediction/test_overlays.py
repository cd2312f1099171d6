"""Overlays lie where they say, in colours that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from runtime.prediction.overlays import add_key, colour_of, draw_overlay
from runtime.prediction.slices import lay_slices
from runtime.tasks.drawing import Areas, Points
from runtime.tasks.grid import OutputGrid

GRAY = np.full((1, 8, 8), 0.5)


def test_colours_differ() -> None:
    colours = [np.array(colour_of(number)) for number in range(12)]
    assert colour_of(0) == (0, 0, 0)
    distances = [np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(distances) >= 20


def test_a_map_is_painted_over_its_own_pixels() -> None:
    """The map of a valid network: 2×2 positions of 2 pixels, in the middle of 8×8; class 0 is not painted."""
    picture = np.asarray(draw_overlay(GRAY, Areas(np.array([[1, 0], [0, 2]]), OutputGrid((8, 8), (2, 2), 2))))
    assert picture.shape == (256, 256, 3)
    small = picture[16::32, 16::32]
    plain = np.full(3, 128)
    painted = {
        (row, column) for row in range(8) for column in range(8) if not np.array_equal(small[row, column], plain)
    }
    assert painted == {(2, 2), (2, 3), (3, 2), (3, 3), (4, 4), (4, 5), (5, 4), (5, 5)}
    assert np.abs(small[2, 2] - (0.4 * plain + 0.6 * np.array(colour_of(1)))).max() <= 1
    assert np.abs(small[5, 5] - (0.4 * plain + 0.6 * np.array(colour_of(2)))).max() <= 1


@pytest.mark.parametrize(("side", "extent", "stride", "starts"), [(7, 3, 3, [0, 2, 5]), (5, 2, 4, [0, 2])])
def test_a_map_that_reaches_beyond_its_image_is_cut(side: int, extent: int, stride: int, starts: list[int]) -> None:
    """Padded strides: three positions of 3 pixels on 7, one pixel over on each side; two of 4 on 5, two before."""
    classes = np.arange(1, extent**2 + 1).reshape(extent, extent)
    picture = np.asarray(
        draw_overlay(np.zeros((1, side, side)), Areas(classes, OutputGrid((side, side), (extent, extent), stride)))
    )
    scale = picture.shape[0] // side
    assert picture.shape == (side * scale, side * scale, 3)
    small = picture[scale // 2 :: scale, scale // 2 :: scale].astype(int)
    which = np.searchsorted(starts, np.arange(side), side="right") - 1
    expected = np.array([[colour_of(int(classes[row, column])) for column in which] for row in which])
    assert np.abs(small - 0.6 * expected).max() <= 1


def test_joints_are_dots_where_they_are() -> None:
    picture = np.asarray(draw_overlay(GRAY, Points(np.array([[2.0, 5.0, 1.0]]))))
    rows, columns = np.nonzero((picture == colour_of(1)).all(-1))
    assert (rows.mean(), columns.mean()) == (pytest.approx(5.5 * 32, abs=0.6), pytest.approx(2.5 * 32, abs=0.6))
    truth = np.array([[2.0, 5.0], [np.nan, np.nan]])
    ringed = np.asarray(draw_overlay(GRAY, Points(np.zeros((0, 3)), truth)))
    rows, columns = np.nonzero((ringed != 128).any(-1))
    assert (rows.mean(), columns.mean()) == (pytest.approx(5.5 * 32, abs=0.6), pytest.approx(2.5 * 32, abs=0.6))


def test_a_key_of_any_names_fits_beneath_a_picture() -> None:
    picture = Image.new("RGB", (300, 200))
    names = ["cat", "a" * 10_000, "\x1b[31m\n", "dog"] * 30
    keyed = add_key(picture, list(enumerate(names)))
    assert keyed.width == 300
    assert keyed.height < 2000
    assert keyed.crop((0, 0, 300, 200)).tobytes() == picture.tobytes()
    below = np.asarray(keyed)[200:]
    assert all((below == colour_of(number)).all(-1).any() for number in range(1, 5))


def test_of_a_volume_three_planes_are_painted() -> None:
    """Where a class is, in the planes through the middle, there is colour; of a map in the middle of the volume too."""
    classes = np.zeros((8, 8, 8), np.int64)
    classes[2:6, 3:7, 1:4] = 1
    image = np.full((1, 10, 10, 10), 0.5)
    grid = OutputGrid((10, 10, 10), (8, 8, 8))
    picture = np.asarray(draw_overlay(image, Areas(classes, grid))).astype(int)
    factor = picture.shape[0] // 10
    whole = np.zeros((10, 10, 10))
    whole[1:9, 1:9, 1:9] = classes
    coloured = np.ptp(picture[::factor, ::factor], axis=-1) > 0
    np.testing.assert_array_equal(coloured, lay_slices(whole) > 0)
