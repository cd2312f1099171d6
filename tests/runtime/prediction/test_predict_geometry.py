"""Whatever preprocessing does to a picture is undone for its answer: drawn truths are the witness, in each way."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image, ImageDraw

from runtime.pictures.frame import Frame
from runtime.pictures.geometry import place
from runtime.pictures.preprocess import Preprocess
from runtime.prediction import predict as module
from runtime.prediction.answered import Answered, RawOutputs
from runtime.prediction.predict import answer_files, run_arrays
from runtime.prediction.reader import Failure
from runtime.session.session import Session
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.joints import Pose
from runtime.tasks.maps import ClassMap
from tests.support.models import build_model, save

WAYS: dict[str, dict[str, Any]] = {
    "exact": {},
    "cubic": {"interpolation": "bicubic"},
    "nearest": {"interpolation": "nearest"},
    "shorter": {"resize": "shorter", "resize_to": 140},
    "letterbox": {"resize": "letterbox", "fill": (0, 0, 1)},
    "none": {"resize": "none"},
    "bgr": {"resize": "letterbox", "fill": (1, 0, 0), "order": "bgr", "scale": 255},
}
SIZES = [(96, 128), (210, 300), (150, 97), (97, 260), (128, 128)]


def prepare(**others: Any) -> Preprocess:
    scale = others.get("scale", 1)
    return Preprocess(3, (96, 128), (0.5 * scale,) * 3, (0.25 * scale,) * 3, **others)


def open_colours(
    folder: Path, preprocess: Preprocess, task: str = "maps", axes: tuple[Any, Any] = (96, 128), step: int = 1
) -> Session:
    """How strong red, green and blue are, by a 1×1 convolution that takes the network's order of colours."""
    weight = np.eye(3, dtype=np.float32)[:, :, None, None]
    metadata = {
        "archspec.preprocess": preprocess.to_json(),
        "archspec.classes": json.dumps(["red", "green", "blue"]),
        "archspec.task": task,
        "archspec.stride": "1",
    }
    if "H" in axes:
        rule = {"value": 96, "first": step, "step": step}
        metadata["archspec.sizes"] = json.dumps({"H": rule, "W": rule})
    model = build_model(
        [helper.make_node("Conv", ["image", "weight"], ["output"])],
        {"image": ["N", 3, *axes]},
        {"output": ["N", 3, *axes]},
        {"weight": weight[:, ::-1].copy() if preprocess.order == "bgr" else weight},
        metadata,
    )
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


def draw_shapes(path: Path, height: int, width: int) -> np.ndarray:
    """A picture with a green ellipse and a blue block on red, and the class of each pixel."""
    truth = Image.new("L", (width, height))
    pen = ImageDraw.Draw(truth)
    pen.ellipse((width * 3 // 10, height * 3 // 10, width // 2, height * 7 // 10), fill=1)
    pen.rectangle((width * 6 // 10, height * 4 // 10, width * 9 // 10, height * 6 // 10), fill=2)
    classes = np.asarray(truth)
    Image.fromarray((np.eye(3)[classes] * 200).astype(np.uint8)).save(path)
    return classes


def measure_iou(found: np.ndarray, truth: np.ndarray) -> float:
    """Of the worst class, over pixels that have an answer."""
    asked = found != UNANSWERED
    there = [i for i in range(3) if (truth == i)[asked].any()]
    return min(
        float((asked & (found == i) & (truth == i)).sum() / (asked & ((found == i) | (truth == i))).sum())
        for i in there
    )


def move(frame: Frame) -> Frame:
    """The frame one pixel of the input off along each axis: the control."""
    return replace(frame, start=tuple(start + 1 for start in frame.start))


@pytest.mark.parametrize("own", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_a_map_lies_on_its_picture_and_what_is_cut_away_has_no_class(
    way: str, own: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preprocess, truth = prepare(**WAYS[way]), draw_shapes(tmp_path / "a.png", *own)
    session = open_colours(tmp_path, preprocess)
    (found,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(found, Answered)
    assert isinstance(found.answer, ClassMap)
    classes, frame = found.answer.array, place(preprocess, own)
    assert classes.shape == own
    score = measure_iou(classes, truth)
    assert score > (0.95 if max(own) / max(frame.shown) < 1.5 else 0.9)
    seen = np.ones(own, bool)
    for axis in (0, 1):
        there = frame.from_own(np.arange(own[axis], dtype=np.float64), axis)
        beyond = (there < -0.5) | (there > frame.image[axis] - 0.5)
        seen[(slice(None),) * axis + (beyond,)] = False
    assert np.array_equal(classes != UNANSWERED, seen)
    assert seen.all() == (not frame.cropped)
    row = found.to_dict()
    assert row.get("cropped_to") == ([96, 128] if frame.cropped else None)
    assert row["answered"] == pytest.approx(seen.mean())
    lay_out = module._lay_out
    monkeypatch.setattr(
        module, "_lay_out", lambda *given: replace(laid := lay_out(*given), frames=tuple(map(move, laid.frames)))
    )
    (wrong,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(wrong, Answered)
    assert measure_iou(wrong.answer.array, truth) < score - 0.01


@pytest.mark.parametrize("own", SIZES)
@pytest.mark.parametrize("way", WAYS)
def test_a_joint_is_where_it_was_drawn(
    way: str, own: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three blots near the middle, of which the network finds the brightest pixel."""
    height, width = own
    points = np.array([[width * 0.45, height * 0.5], [width * 0.5, height * 0.4], [width * 0.55, height * 0.55]])
    rows, columns = np.mgrid[:height, :width]
    blots = [np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 18) for x, y in points]
    Image.fromarray((np.stack(blots, -1) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    preprocess = prepare(**{**WAYS[way], **({"fill": (0, 0, 0)} if "fill" in WAYS[way] else {})})
    session = open_colours(tmp_path, preprocess, "joints")
    frame = place(preprocess, own)
    apart = max(full / shown for full, shown in zip(own, frame.shown, strict=True))
    (found,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(found, Answered)
    assert isinstance(found.answer, Pose)
    close = 0.75 * max(1, apart)
    assert np.abs(found.answer.array[:, :2] - points).max() < close
    lay_out = module._lay_out
    monkeypatch.setattr(
        module, "_lay_out", lambda *given: replace(laid := lay_out(*given), frames=tuple(map(move, laid.frames)))
    )
    (wrong,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(wrong, Answered)
    off = found.answer.array - wrong.answer.array
    assert np.allclose(off[:, :2], [own[1] / frame.shown[1], own[0] / frame.shown[0]])


def test_joints_never_lie_in_a_letterbox_s_bars(tmp_path: Path) -> None:
    """The bars are brighter than anything in the picture."""
    pixels = np.zeros((96, 64, 3), np.uint8)
    pixels[10, 20, 0] = pixels[60, 63, 1] = pixels[95, 0, 2] = 200
    Image.fromarray(pixels).save(tmp_path / "a.png")
    session = open_colours(tmp_path, prepare(resize="letterbox", fill=(1, 1, 1)), "joints")
    (found,) = answer_files(session, [tmp_path / "a.png"])
    assert isinstance(found, Answered)
    assert found.answer.array[:, :2].tolist() == [[20, 10], [63, 60], [0, 95]]


@pytest.mark.parametrize("task", ["maps", "raw"])
def test_all_of_a_picture_is_seen_where_the_network_takes_it(task: str, tmp_path: Path) -> None:
    """By what the way of resizing says: as it is, by its shorter side, or never. Plain numbers are of what training
    saw, but for pictures that are never resized."""
    truth = draw_shapes(tmp_path / "a.png", 150, 202)
    for way, maps, others in (
        ("none", ((152, 204), {"padded_to": [152, 204]}), None),
        ("exact", ((152, 204), {"padded_to": [152, 204]}), ((96, 128), {"resized_to": [96, 128]})),
        (
            "shorter",
            ((140, 188), {"resized_to": [140, 188]}),
            ((96, 128), {"resized_to": [140, 188], "cropped_to": [96, 128]}),
        ),
        ("letterbox", ((96, 128), {"resized_to": [95, 128], "padded_to": [96, 128], "fill": [0, 0, 1]}), None),
    ):
        session = open_colours(tmp_path, prepare(**WAYS[way]), "maps", ("H", "W"), 4)
        image, told = maps if task == "maps" or others is None else others
        if task == "maps":
            (found,) = answer_files(session, [tmp_path / "a.png"])
            assert isinstance(found, Answered)
            assert found.input.image.shape[1:] == image
            assert measure_iou(found.answer.array, truth) > 0.93
            assert (found.answer.array != UNANSWERED).all()
            (middle,) = answer_files(session, [tmp_path / "a.png"], resize=True)
            assert isinstance(middle, Answered)
            assert middle.input.image.shape[1:] == (96, 128)
            assert measure_iou(middle.answer.array, truth) > 0.93
        else:
            (raw,) = run_arrays(session, [tmp_path / "a.png"])
            assert isinstance(raw, RawOutputs)
            assert raw.arrays["output"].shape[2:] == image
        row = found.to_dict() if task == "maps" else raw.to_dict()
        assert {key: row[key] for key in ("resized_to", "cropped_to", "padded_to", "fill") if key in row} == told


def test_pictures_of_several_sizes_in_one_batch_have_each_its_own_frame(tmp_path: Path) -> None:
    truths = [draw_shapes(tmp_path / f"{number}.png", *own) for number, own in enumerate(SIZES)]
    for way in ("letterbox", "shorter"):
        session = open_colours(tmp_path, prepare(**WAYS[way]))
        found = list(answer_files(session, sorted(tmp_path.glob("*.png")), batch=8))
        assert all(isinstance(item, Answered) for item in found)
        for item, truth in zip(found, truths, strict=True):
            assert not isinstance(item, Failure)
            assert measure_iou(item.answer.array, truth) > 0.9


def test_a_picture_that_would_grow_beyond_all_bounds_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (60000, 1)).save(tmp_path / "long.png")
    draw_shapes(tmp_path / "a.png", 96, 128)
    session = open_colours(tmp_path, prepare(resize="shorter", resize_to=1000))
    failed, answered = answer_files(session, [tmp_path / "long.png", tmp_path / "a.png"])
    assert isinstance(failed, Failure)
    assert "long.png: an image of 1×60000 would be resized to 3×1000×60000000, more than" in str(failed.error)
    assert isinstance(answered, Answered)
