"""Maps and joints are drawn where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.overlay import colour_of, mark_joints, paint_map, save_answer, save_map, save_sheet, stretch
from runtime.predict import Answered
from runtime.tasks.answers import ClassMap, Pose, Prediction
from runtime.tasks.grid import Grid

GRAY = np.full((1, 8, 8), 0.5)


def test_colours_differ() -> None:
    colours = [np.array(colour_of(number)) for number in range(12)]
    assert colour_of(0) == (0, 0, 0)
    distances = [np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(distances) >= 20


def test_the_values_of_a_map_file_are_the_classes(tmp_path: Path) -> None:
    classes = np.random.default_rng(0).integers(0, 200, (5, 7))
    save_map(tmp_path / "m.png", classes)
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), classes)
        assert picture.convert("RGB").getpixel((3, 2)) == colour_of(int(classes[2, 3]))


def test_a_map_is_painted_over_its_own_pixels() -> None:
    """The map of a valid network: 2×2 positions of 2 pixels, in the middle of 8×8; class 0 is not painted."""
    picture = np.asarray(paint_map(GRAY, np.array([[1, 0], [0, 2]]), Grid((8, 8), (2, 2), 2)))
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
    picture = np.asarray(paint_map(np.zeros((1, side, side)), classes, Grid((side, side), (extent, extent), stride)))
    scale = picture.shape[0] // side
    assert picture.shape == (side * scale, side * scale, 3)
    small = picture[scale // 2 :: scale, scale // 2 :: scale].astype(int)
    which = np.searchsorted(starts, np.arange(side), side="right") - 1
    expected = np.array([[colour_of(int(classes[row, column])) for column in which] for row in which])
    assert np.abs(small - 0.6 * expected).max() <= 1


def test_joints_are_dots_where_they_are() -> None:
    picture = np.asarray(mark_joints(GRAY, np.array([[2.0, 5.0, 1.0]])))
    rows, columns = np.nonzero((picture == colour_of(1)).all(-1))
    assert (rows.mean(), columns.mean()) == (pytest.approx(5.5 * 32, abs=0.6), pytest.approx(2.5 * 32, abs=0.6))
    truth = np.array([[2.0, 5.0], [np.nan, np.nan]])
    ringed = np.asarray(mark_joints(GRAY, np.zeros((0, 3)), truth))
    rows, columns = np.nonzero((ringed != 128).any(-1))
    assert (rows.mean(), columns.mean()) == (pytest.approx(5.5 * 32, abs=0.6), pytest.approx(2.5 * 32, abs=0.6))


def test_an_unknown_range_is_stretched() -> None:
    assert stretch(np.array([-3.0, 1, 5])).tolist() == [0, 0.5, 1]
    assert stretch(np.array([2.0, 2])).tolist() == [0, 0]


def test_a_sheet_holds_every_picture(tmp_path: Path) -> None:
    tiles = [(mark_joints(GRAY, np.array([[2.0, 5.0, 1.0]])), str(number)) for number in range(5)]
    save_sheet(tmp_path / "s.png", tiles, "title", "note")
    sheet = np.asarray(Image.open(tmp_path / "s.png"))
    dots = (sheet == colour_of(1)).all(-1).sum()
    assert dots == 5 * (np.asarray(tiles[0][0]) == colour_of(1)).all(-1).sum()


def test_what_has_no_picture_is_refused(tmp_path: Path) -> None:
    label = Prediction("x.png", "a", 0, 1.0, (("a", 1.0),))
    pose = Pose("x.npy", (), np.zeros((0, 3)))
    cube = ClassMap("x.npy", np.zeros((2, 2, 2), np.int64), ())
    image, grid = GRAY.astype(np.float32), Grid((8, 8), (8, 8))
    with pytest.raises(ArchspecError, match="a label has no picture"):
        save_answer(tmp_path, "x", Answered(image, {}, grid, label), None)
    with pytest.raises(ArchspecError, match=r"a class map with 3 axes, \(2, 2, 2\), cannot be drawn"):
        save_answer(tmp_path, "x", Answered(image, {}, grid, cube), None)
    with pytest.raises(ArchspecError, match="cannot draw an image of 2 channels"):
        save_answer(tmp_path, "x", Answered(image.repeat(2, 0), {}, grid, pose), None)
    with pytest.raises(ArchspecError, match="more than 256 classes"):
        save_map(tmp_path / "m.png", np.full((2, 2), 256))
    assert not list(tmp_path.iterdir())
