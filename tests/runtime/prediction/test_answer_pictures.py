"""Pictures of answers have the image's own pixels, and never take the place of others' files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import read_picture
from runtime.prediction.answer_pictures import check_folder, remove_drawn, save_answer, save_key, save_map, stretch
from runtime.prediction.answered import Answered, AnsweredFile, InputImage
from runtime.prediction.overlays import colour_of
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.joints import Joint, Pose
from runtime.tasks.labels import Prediction
from runtime.tasks.maps import ClassMap, Share
from runtime.tasks.registry import TASKS

GRAY = np.full((1, 8, 8), 0.5)


def test_the_values_of_a_map_file_are_the_classes(tmp_path: Path) -> None:
    classes = np.random.default_rng(0).integers(0, 200, (5, 7))
    save_map(tmp_path / "m.png", classes)
    with Image.open(tmp_path / "m.png") as picture:
        assert picture.mode == "P"
        assert np.array_equal(np.asarray(picture), classes)
        assert picture.convert("RGB").getpixel((3, 2)) == colour_of(int(classes[2, 3]))


def test_an_unknown_range_is_stretched() -> None:
    assert stretch(np.array([-3.0, 1, 5])).tolist() == [0, 0.5, 1]
    assert stretch(np.array([2.0, 2])).tolist() == [0, 0]


def test_what_has_no_picture_is_refused(tmp_path: Path) -> None:
    label = Prediction("x.png", "a", 0, 1.0, (("a", 1.0),))
    pose = Pose("x.npy", ())
    cube = ClassMap("x.npy", np.zeros((2, 2, 2), np.int64), ())
    image = GRAY.astype(np.float32)

    def answer(image: np.ndarray, found: Prediction | Pose | ClassMap) -> Answered:
        return Answered(InputImage(AnsweredFile("x.npy", 1), 0, image, Frame.whole(image.shape[1:])), {}, ("a",), found)

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


def test_what_is_drawn_has_the_pictures_own_pixels(tmp_path: Path) -> None:
    """A picture that the network read smaller: mask and overlay lie on it, in its own colours."""
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    preprocess = Preprocess(1, (8, 8), (0.0,), (1.0,))
    image, reading = read_picture(tmp_path / "a.png", preprocess)
    given = InputImage(AnsweredFile(str(tmp_path / "a.png"), 1), 0, image, reading.frame, reading)
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
