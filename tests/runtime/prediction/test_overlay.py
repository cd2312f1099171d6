"""Maps and joints are drawn where they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess, read_picture
from runtime.prediction.overlay import (
    add_key,
    check_folder,
    colour_of,
    mark_joints,
    paint_map,
    remove_drawn,
    save_answer,
    save_key,
    save_map,
    save_sheet,
    stretch,
)
from runtime.prediction.predict import Answered, InputImage, Source
from runtime.tasks.answers import ClassMap, Joint, Pose, Prediction, Share
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.grid import Grid
from runtime.tasks.task import TASKS

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
    pose = Pose("x.npy", ())
    cube = ClassMap("x.npy", np.zeros((2, 2, 2), np.int64), ())
    image = GRAY.astype(np.float32)

    def answer(image: np.ndarray, found: Prediction | Pose | ClassMap) -> Answered:
        return Answered(InputImage(Source("x.npy", 1), 0, image, Frame.whole(image.shape[1:])), {}, ("a",), found)

    with pytest.raises(ArchspecError, match="a label has no picture"):
        save_answer(tmp_path, "x", answer(image, label), None)
    with pytest.raises(ArchspecError, match=r"a class map with 3 axes, \(2, 2, 2\), cannot be drawn"):
        save_answer(tmp_path, "x", answer(image, cube), None)
    with pytest.raises(ArchspecError, match="cannot draw an image of 2 channels"):
        save_answer(tmp_path, "x", answer(image.repeat(2, 0), pose), None)
    with pytest.raises(ArchspecError, match="more than 256 classes"):
        save_map(tmp_path / "m.png", np.full((2, 2), 256))
    with pytest.raises(ArchspecError, match="more than 256 classes"):
        save_map(tmp_path / "m.png", np.array([[255, UNANSWERED]]))
    assert not list(tmp_path.iterdir())


def test_pixels_without_an_answer_are_told_from_classes(tmp_path: Path) -> None:
    save_map(tmp_path / "m.png", np.array([[0, UNANSWERED, 254]]))
    with Image.open(tmp_path / "m.png") as picture:
        assert np.asarray(picture).tolist() == [[0, 255, 254]]
        assert picture.convert("RGB").getpixel((1, 0)) == (128, 128, 128)
    save_map(tmp_path / "m.png", np.array([[0, 255]]))
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.convert("RGB").getpixel((1, 0)) == colour_of(255)


def test_a_key_names_the_colours(tmp_path: Path) -> None:
    save_key(tmp_path, TASKS["maps"], ("ground", "tree"))
    assert json.loads((tmp_path / "key.json").read_text())["key"] == [
        {"index": 0, "class": "ground", "colour": "#000000"},
        {"index": 1, "class": "tree", "colour": "#" + bytes(colour_of(1)).hex()},
    ]
    save_key(tmp_path, TASKS["joints"], ("head",))
    assert json.loads((tmp_path / "key.json").read_text())["key"] == [
        {"index": 0, "joint": "head", "colour": "#" + bytes(colour_of(1)).hex()}
    ]
    picture = Image.new("RGB", (300, 200))
    names = ["cat", "a" * 10_000, "\x1b[31m\n", "dog"] * 30
    keyed = add_key(picture, [(colour_of(number), name) for number, name in enumerate(names)])
    assert keyed.width == 300
    assert keyed.height < 2000
    assert keyed.crop((0, 0, 300, 200)).tobytes() == picture.tobytes()
    below = np.asarray(keyed)[200:]
    assert all((below == colour_of(number)).all(-1).any() for number in range(1, 5))


def test_what_is_drawn_has_the_pictures_own_pixels(tmp_path: Path) -> None:
    """A picture that the network read smaller: mask and overlay lie on it, in its own colours."""
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    preprocess = Preprocess(1, 8, 8, (0.0,), (1.0,))
    image, reading = read_picture(tmp_path / "a.png", preprocess)
    given = InputImage(Source(str(tmp_path / "a.png"), 1), 0, image, reading.frame, reading)
    classes = np.zeros((300, 400), np.int8)
    classes[100:200, 50:60] = 1
    found = ClassMap(given.path, classes, (Share(0, "ground", 0.9), Share(1, "tree", 0.1)))
    drawn, mask = save_answer(tmp_path / "out", "a", Answered(given, {}, ("ground", "tree"), found), preprocess)
    with Image.open(mask) as picture:
        assert np.array_equal(np.asarray(picture), classes)
    with Image.open(drawn) as picture:
        over = np.asarray(picture)[:300, :400]
    assert np.array_equal(over[classes == 0], pixels[classes == 0])
    expected = 0.4 * pixels[classes == 1] + 0.6 * np.array(colour_of(1))
    assert np.abs(over[classes == 1] - expected).max() <= 0.51
    pose = Pose(given.path, (Joint("head", 200.0, 100.0, 1.0),))
    (drawn,) = save_answer(tmp_path / "out", "b", Answered(given, {}, ("head",), pose), preprocess)
    with Image.open(drawn) as picture:
        rows, columns = np.nonzero((np.asarray(picture)[:300, :400] == colour_of(1)).all(-1))
    assert (rows.mean(), columns.mean()) == (pytest.approx(100, abs=1), pytest.approx(200, abs=1))
    Image.fromarray(pixels[:20]).save(tmp_path / "a.png")
    with pytest.raises(ArchspecError, match=r"a\.png has changed since it was read"):
        save_answer(tmp_path / "out", "c", Answered(given, {}, ("head",), pose), preprocess)


def test_pictures_never_lie_among_other_files(tmp_path: Path) -> None:
    check_folder(tmp_path / "new")
    check_folder(tmp_path)
    (tmp_path / "0-0.png").write_bytes(b"mine")
    with pytest.raises(ArchspecError, match="holds other files: name a new folder for the pictures, or an empty one"):
        check_folder(tmp_path)
    (tmp_path / "key.json").write_text('{"c major": []}')
    with pytest.raises(ArchspecError, match="holds other files"):
        check_folder(tmp_path)
    with pytest.raises(ArchspecError, match=r"key\.json is there already, and does not hold a key of archspec's"):
        save_key(tmp_path, TASKS["maps"], ["background"])
    (tmp_path / "key.json").unlink()
    save_key(tmp_path, TASKS["maps"], ["background", "cat"])
    with pytest.raises(ArchspecError, match=r"0-0\.png is there already, and does not hold a PNG of archspec's"):
        check_folder(tmp_path)
    (tmp_path / "0-0.png").unlink()
    check_folder(tmp_path)  # the control


def test_only_what_was_drawn_is_removed_or_replaced(tmp_path: Path) -> None:
    """By the mark in the files: names say nothing, and a mark alone nothing of a picture that was put elsewhere."""
    classes = np.zeros((2, 2), np.int64)
    for name in ("0-a.png", "12-b.map.png", "kept.png"):
        save_map(tmp_path / name, classes)
    save_map(tmp_path / "0-a.png", classes + 1)
    Image.new("L", (2, 2)).save(tmp_path / "1-mine.png")
    (tmp_path / "2-link.png").symlink_to("kept.png")
    assert remove_drawn(tmp_path) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-mine.png", "kept.png"]
    before = (tmp_path / "1-mine.png").read_bytes()
    with pytest.raises(ArchspecError, match=r"1-mine\.png is there already, and does not hold a PNG of archspec's"):
        save_map(tmp_path / "1-mine.png", classes)
    assert (tmp_path / "1-mine.png").read_bytes() == before
    assert remove_drawn(tmp_path / "none") == 0
