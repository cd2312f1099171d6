"""Pictures are read at their own size where a model takes it, and answers lie on them pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image, ImageDraw

from archspec.bounds import MAX_WHOLE
from archspec.errors import ArchspecError
from runtime.pictures.preprocess import Preprocess
from runtime.prediction import reader
from runtime.prediction.answered import Answered
from runtime.prediction.predict import answer_files, predict
from runtime.prediction.reader import Failure, Reader, find_fit, list_files
from runtime.session.session import Session
from runtime.tasks.joints import Pose
from runtime.tasks.maps import ClassMap
from tests.support.models import build_double, build_model, save

CLASSES = ("background", "circle", "square")
TRAINED = Preprocess(3, (96, 128), (0.5,) * 3, (0.25,) * 3)
FACTS = {
    "archspec.preprocess": TRAINED.to_json(),
    "archspec.classes": json.dumps(CLASSES),
    "archspec.task": "maps",
    "archspec.stride": "1",
}
ANY = {"value": 96, "first": 1, "step": 1}
FOURS = {"value": 96, "first": 8, "step": 4}


def open_colours(folder: Path, sizes: dict[str, Any] | None = None, axes: tuple[Any, Any] = ("H", "W")) -> Session:
    """Which of the colours, red, green and blue, is the strongest: a 1×1 convolution, so that the truth is known."""
    weight = np.eye(3, dtype=np.float32)[:, :, None, None]
    model = build_model(
        [helper.make_node("Conv", ["image", "weight"], ["output"])],
        {"image": ["N", 3, *axes]},
        {"output": ["N", 3, *axes]},
        {"weight": weight},
        FACTS if sizes is None else FACTS | {"archspec.sizes": json.dumps(sizes)},
    )
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


def draw(path: Path, height: int, width: int) -> np.ndarray:
    """A picture with a circle and a square on a ground, and the class of each pixel."""
    truth = Image.new("L", (width, height))
    pen = ImageDraw.Draw(truth)
    pen.ellipse((width // 10, height // 10, width // 10 + 40, height // 10 + 40), fill=1)
    pen.rectangle((width // 2, height // 2, width // 2 + 30, height // 2 + 25), fill=2)
    classes = np.asarray(truth)
    Image.fromarray((np.eye(3)[classes] * 200).astype(np.uint8)).save(path)
    return classes


def measure_iou(found: np.ndarray, truth: np.ndarray) -> float:
    ratios = [((found == i) & (truth == i)).sum() / ((found == i) | (truth == i)).sum() for i in range(3)]
    return float(min(ratios))


@pytest.mark.parametrize("size", [(96, 128), (112, 160), (111, 161), (300, 97), (64, 64)])
@pytest.mark.parametrize("rule", [ANY, FOURS])
def test_a_map_lies_on_its_picture_pixel_by_pixel(tmp_path: Path, size: tuple[int, int], rule: dict[str, int]) -> None:
    truth = draw(tmp_path / "a.png", *size)
    session = open_colours(tmp_path, {"H": rule, "W": {**rule, "value": 128}})
    (found,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(found, Answered)
    assert isinstance(found.answer, ClassMap)
    assert np.array_equal(found.answer.array, truth)
    row = found.to_dict()
    padded = [-(-extent // 4) * 4 for extent in size] if rule is FOURS else list(size)
    assert row["extents"] == row["size"] == list(size)
    assert row.get("padded_to", row["size"]) == padded
    assert found.input.image.shape == (3, *padded)
    assert "resized_to" not in row


@pytest.mark.parametrize(
    ("size", "least"), [((96, 128), 1.0), ((112, 160), 0.95), ((300, 97), 0.9), ((480, 640), 0.95)]
)
def test_a_map_of_a_fixed_size_is_laid_back_on_its_picture(tmp_path: Path, size: tuple[int, int], least: float) -> None:
    """Nearly as exact as the size at which the network looked: no worse than the nearest position of each pixel."""
    truth = draw(tmp_path / "a.png", *size)
    session = open_colours(tmp_path, axes=(96, 128))
    (found,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(found, Answered)
    assert isinstance(found.answer, ClassMap)
    assert found.answer.array.shape == size
    squeezed = Image.fromarray(found.outputs["output"].argmax(0).astype(np.uint8))
    nearest = np.asarray(squeezed.resize(size[::-1], Image.Resampling.NEAREST))
    score = measure_iou(found.answer.array, truth)
    assert score >= max(least, measure_iou(nearest, truth))
    shifted = np.roll(found.answer.array, 3, 1)
    assert measure_iou(shifted, truth) < 0.9
    assert found.to_dict().get("resized_to", [96, 128]) == [96, 128]


def test_asked_for_the_training_size_a_picture_is_resized(tmp_path: Path) -> None:
    draw(tmp_path / "a.png", 112, 160)
    session = open_colours(tmp_path, {"H": ANY, "W": ANY})
    (found,) = answer_files(session, [tmp_path / "a.png"], resize=True)
    assert isinstance(found, Answered)
    assert found.input.image.shape == (3, 96, 128)
    assert found.to_dict()["resized_to"] == [96, 128]
    assert isinstance(found.answer, ClassMap)
    assert found.answer.array.shape == (112, 160)


def test_pictures_of_several_sizes_are_answered_in_order(tmp_path: Path) -> None:
    sizes = [(64, 64), (64, 64), (80, 100), (64, 64), (81, 99)]
    truths = [draw(tmp_path / f"{number}.png", *size) for number, size in enumerate(sizes)]
    session = open_colours(tmp_path, {"H": FOURS, "W": FOURS})
    for batch in (1, 2, 32):
        found = predict(session, sorted(tmp_path.glob("*.png")), batch=batch)
        for answer, truth in zip(found, truths, strict=True):
            assert isinstance(answer, ClassMap)
            assert np.array_equal(answer.array, truth)


def test_a_turned_picture_is_answered_as_it_is_looked_at(tmp_path: Path) -> None:
    truth = draw(tmp_path / "a.png", 70, 100)
    exif = Image.Exif()
    exif[0x0112] = 6
    with Image.open(tmp_path / "a.png") as picture:
        picture.save(tmp_path / "b.png", exif=exif)
    (found,) = predict(open_colours(tmp_path, {"H": ANY, "W": ANY}), [tmp_path / "b.png"])
    assert isinstance(found, ClassMap)
    assert np.array_equal(found.array, np.rot90(truth, -1))


def test_joints_never_lie_in_the_padding(tmp_path: Path) -> None:
    """The last column is the brightest, and so is its repetition; at each size a joint is where it was drawn."""
    session = open_colours(tmp_path, {"H": FOURS, "W": FOURS})
    session.metadata["archspec.task"] = "joints"
    pixels = np.zeros((61, 70, 3), np.uint8)
    pixels[10, 20, 0] = pixels[60, 69, 1] = pixels[30, :, 2] = 200
    pixels[30, 69, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (found,) = predict(session, [tmp_path / "a.png"])
    assert isinstance(found, Pose)
    assert [(joint.x, joint.y) for joint in found.joints] == [(20, 10), (69, 60), (69, 30)]


@pytest.mark.parametrize(
    ("axes", "sizes", "own", "fit"),
    [
        (("H", "W"), {}, (5, 1000), (5, 1000)),
        (("H", "W"), {"H": FOURS, "W": FOURS}, (5, 1000), (8, 1000)),
        (("H", "W"), {"H": FOURS, "W": FOURS}, (97, 99), (100, 100)),
        (("H", "W"), {"H": {**FOURS, "last": 100}, "W": FOURS}, (101, 8), None),
        (("H", "W"), {"H": {**FOURS, "first": 200, "last": 100}, "W": FOURS}, (101, 8), None),
        (("H", "W"), {"H": {"value": 96}, "W": FOURS}, (96, 99), (96, 100)),
        (("H", "W"), {"H": {"value": 96}, "W": FOURS}, (97, 99), None),
        (("H", "H"), {"H": FOURS}, (50, 70), (72, 72)),
        ((96, "W"), {"W": FOURS}, (96, 9), (96, 12)),
        ((96, "W"), {"W": FOURS}, (95, 9), None),
        ((96, 128), None, (96, 128), (96, 128)),
        (("H", "W"), {"H": {**FOURS, "beside": ["W"]}, "W": {**FOURS, "beside": ["H"]}}, (96, 100), (96, 100)),
        (("H", "W"), {"H": {**FOURS, "beside": ["W"]}, "W": {**FOURS, "beside": ["H"]}}, (100, 100), None),
    ],
)
def test_the_least_size_that_fits(
    tmp_path: Path, axes: tuple[Any, Any], sizes: dict[str, Any] | None, own: tuple[int, int], fit: Any
) -> None:
    """And the session takes it."""
    session = open_colours(tmp_path, sizes, axes)
    assert find_fit(session, "image", own) == fit
    if fit:
        assert session.run(np.zeros((1, 3, *fit), np.float32))["output"].shape == (1, 3, *fit)


def test_a_huge_picture_is_refused_at_its_own_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_OWN_PIXELS", 100 * 100)
    draw(tmp_path / "a.png", 101, 100)
    session = open_colours(tmp_path, {"H": ANY, "W": ANY})
    with pytest.raises(
        ArchspecError, match="be read at 101×100, more than 10,000: give --resize, which makes it 96×128"
    ):
        predict(session, [tmp_path / "a.png"])
    assert predict(session, [tmp_path / "a.png"], resize=True)
    draw(tmp_path / "a.png", 96, 96)
    hostile = open_colours(tmp_path, {"H": {"value": MAX_WHOLE, "first": MAX_WHOLE, "step": 1}, "W": ANY})
    with pytest.raises(ArchspecError, match="would be read at 2147483647×96"):
        predict(hostile, [tmp_path / "a.png"])


def test_files_are_listed_in_order(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "b.png").touch()
    (tmp_path / "empty").mkdir()
    first, failed, second = list_files([tmp_path / "folder", tmp_path / "empty", "x" * 5000])
    assert (first, second) == (tmp_path / "folder" / "b.png", Path("x" * 5000))
    assert isinstance(failed, Failure)


@pytest.mark.parametrize(("low", "high", "told"), [(-2, 2, False), (-3, 5, False), (0, 255, True), (-9, 2, True)])
def test_arrays_that_nobody_prepared_are_told(
    low: float, high: float, told: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Pixels from 0 to 1 become numbers from -2 to 2 here."""
    array = np.random.default_rng(0).uniform(low, high, (2, 3, 96, 128)).astype(np.float32)
    array[0, 0, 0, :2] = low, high
    np.save(tmp_path / "a.npy", array)
    assert len(list(answer_files(open_colours(tmp_path), [tmp_path / "a.npy"]))) == 2
    asked = f"a.npy reaches from {low:.4g} to {high:.4g}, and pictures, as the network wants them, from -2 to 2"
    assert (asked in caplog.text) is told


@pytest.mark.parametrize(
    ("shape", "given", "message"),
    [
        (("N", 1, "H", "W"), (8, 9), r"or one of these without the first axis: add the channel axis, \(1, 8, 9\)$"),
        (
            ("N", 3, "H", "W"),
            (8, 9),
            r"has 2 axes, \(8, 9\); the model takes x: float32 \(N, 3, H, W\), or one of these",
        ),
        (("N", 1, "H", "W"), (2, 1, 1, 8, 9), r"has 5 axes, .* without the first axis$"),
        (("N", 4), (), r"has 0 axes, \(\); "),
        (("N", 1, "H", "W"), (1, 8, 9), None),
        (("N", 1, "H", "W"), (2, 1, 8, 9), None),
    ],
)
def test_an_array_that_lacks_more_than_the_batch_is_told(
    tmp_path: Path, shape: tuple[Any, ...], given: tuple[int, ...], message: str | None
) -> None:
    session = Session(save(build_double(shape), tmp_path / "m.onnx"), providers=["cpu"])
    np.save(tmp_path / "x.npy", np.ones(given, np.float32))
    if message is None:
        images, _ = Reader(session, None).read(tmp_path / "x.npy")
        assert images.shape[-3:] == given[-3:]
    else:
        with pytest.raises(ArchspecError, match=message):
            Reader(session, None).read(tmp_path / "x.npy")
