"""Class maps and joints from files; what the metadata says, and what a user says instead."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import STRIDE
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answer_writer import AnswerWriter, NumbersFile, open_numbers
from runtime.prediction.predict import Answered, answer_files, predict
from runtime.prediction.task_spec import TaskSpec, find_task_spec
from runtime.session.session import Session
from runtime.tasks.joints import Pose
from runtime.tasks.maps import ClassMap
from tests.support.models import build_model, save

PREPROCESS = Preprocess(3, 8, 8, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
FACTS = {"archspec.preprocess": PREPROCESS.to_json(), "archspec.classes": json.dumps(["left", "middle", "right"])}


def open_model(folder: Path, metadata: dict[str, str], stride: int = 1, channels: int = 3, **shape: Any) -> Session:
    """A network that gives its input, or every `stride`-th pixel of it, as `small`, and behind that its negative."""
    size = shape.get("size", ("H", "W"))
    window = {"kernel_shape": [1] * len(size), "strides": [stride] * len(size)}
    nodes = [helper.make_node("MaxPool", ["x"], ["small"], **window), helper.make_node("Neg", ["small"], ["negative"])]
    free = ["N", channels, *(f"{axis}2" for axis in "DHW"[-len(size) :])]
    model = build_model(nodes, {"x": ["N", channels, *size]}, {"negative": free, "small": free}, metadata=metadata)
    return Session(save(model, folder / "m.onnx"), providers=["cpu"])


def ask(session: Session, *words: str | None) -> TaskSpec:
    spec = find_task_spec(session, *words)
    assert spec is not None
    return spec


def write_colours(path: Path, pixels: np.ndarray) -> Path:
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def test_a_map_is_the_largest_of_each_pixel(tmp_path: Path) -> None:
    session = open_model(tmp_path, FACTS | {"archspec.task": "maps"})
    pixels = np.zeros((8, 8, 3))
    pixels[:, :4, 0], pixels[:, 4:6, 1], pixels[:, 6:, 2] = 200, 200, 200
    (found,) = predict(session, [write_colours(tmp_path / "a.png", pixels)])
    assert isinstance(found, ClassMap)
    assert found.array.tolist() == [[0, 0, 0, 0, 1, 1, 2, 2]] * 8
    assert found.to_dict() == {
        "path": str(tmp_path / "a.png"),
        "extents": [8, 8],
        "answered": 1.0,
        "shares": [
            {"index": 0, "class": "left", "share": 0.5},
            {"index": 1, "class": "middle", "share": 0.25},
            {"index": 2, "class": "right", "share": 0.25},
        ],
    }
    (other,) = predict(session, [tmp_path / "a.png"], ask(session, None, "negative"))
    assert isinstance(other, ClassMap)
    assert other.array.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]] * 8


def test_joints_are_in_the_files_own_pixels(tmp_path: Path) -> None:
    """A picture four times as wide and twice as high as the network's input: a bright block stays where it is."""
    session = open_model(tmp_path, FACTS | {"archspec.task": "joints", "archspec.stride": "1"}, size=(8, 8))
    pixels = np.zeros((16, 32, 3))
    pixels[4:6, 8:12, 0] = pixels[10:12, 20:24, 1] = pixels[10:12, 12:16, 2] = 255
    path = write_colours(tmp_path / "a.png", pixels)
    (found,) = predict(session, [path])
    assert isinstance(found, Pose)
    assert [(joint.name, joint.x, joint.y) for joint in found.joints] == [
        ("left", 9.5, 4.5),
        ("middle", 21.5, 10.5),
        ("right", 13.5, 10.5),
    ]
    assert found.array[:, :2].tolist() == [[9.5, 4.5], [21.5, 10.5], [13.5, 10.5]]
    row = json.loads(json.dumps(found.to_dict()))["joints"][0]
    assert row == {"joint": "left", "x": 9.5, "y": 4.5, "score": found.joints[0].score}


def test_a_stride_comes_from_the_extents_or_from_the_metadata(tmp_path: Path) -> None:
    """Every third pixel stands for three; of eleven rows there are four, and only the metadata can say why."""
    array = np.zeros((3, 12, 9), np.float32)
    array[:, 9, 3] = 1
    for cut, metadata, place in ((12, {}, (4, 10)), (11, {"archspec.stride": "3"}, (4, 9)), (11, {}, (4, 6))):
        session = open_model(tmp_path, metadata, stride=3)
        np.save(tmp_path / "x.npy", array[:, :cut])
        (found,) = predict(session, [tmp_path / "x.npy"], ask(session, "joints"))
        assert isinstance(found, Pose)
        assert {(joint.x, joint.y) for joint in found.joints} == {place}
    session = open_model(tmp_path, {"archspec.stride": "4"}, stride=3)
    with pytest.raises(ArchspecError, match="4×3 positions, 4 pixels apart, is larger than the image, 11×9"):
        predict(session, [tmp_path / "x.npy"], ask(session, "joints"))


def test_the_stride_in_the_metadata_is_that_of_the_last_output(tmp_path: Path) -> None:
    """The other output's positions, here of half the extents, are placed by those."""
    nodes = [
        helper.make_node("MaxPool", ["x"], ["half"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Neg", ["x"], ["whole"]),
    ]
    shapes = {"half": ["N", 3, "h", "w"], "whole": ["N", 3, "H", "W"]}
    model = build_model(nodes, {"x": ["N", 3, "H", "W"]}, shapes, metadata={"archspec.stride": "1"})
    session = Session(save(model, tmp_path / "m.onnx"), providers=["cpu"])
    assert ask(session, "joints").stride == ask(session, "joints", "whole").stride == 1
    array = np.zeros((3, 8, 8), np.float32)
    array[:, 2:4, 6:8] = 1
    np.save(tmp_path / "x.npy", array)
    (found,) = predict(session, [tmp_path / "x.npy"], ask(session, "joints", "half"))
    assert isinstance(found, Pose)
    assert {(joint.x, joint.y) for joint in found.joints} == {(6.5, 2.5)}


def test_without_preprocessing_arrays_of_any_size_are_taken(tmp_path: Path) -> None:
    """Files of several sizes, one after the other; volumes too."""
    session = open_model(tmp_path, {})
    for name, shape in (("a", (3, 4, 4)), ("b", (2, 3, 6, 5)), ("c", (3, 6, 5))):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    paths = [tmp_path / f"{name}.npy" for name in "abca"]
    found = predict(session, paths, ask(session, "maps"), batch=2)
    assert [Path(item.path).name for item in found] == ["a.npy", "b.npy[0]", "b.npy[1]", "c.npy", "a.npy"]
    assert [item.array.shape for item in found] == [(4, 4), (6, 5), (6, 5), (6, 5), (4, 4)]
    assert np.array_equal(found[0].array, np.load(paths[0]).argmax(0))
    names = {share["class"] for share in found[1].to_dict()["shares"]}
    assert names == {"class 0", "class 1", "class 2"}
    volume = open_model(tmp_path, {}, channels=2, size=(4, 4, 4))
    np.save(tmp_path / "v.npy", np.random.default_rng(0).standard_normal((2, 4, 4, 4)).astype(np.float32))
    (cube,) = predict(volume, [tmp_path / "v.npy"], ask(volume, "maps"))
    assert np.array_equal(cube.array, np.load(tmp_path / "v.npy").argmax(0))


def test_what_is_kept(tmp_path: Path) -> None:
    session = open_model(tmp_path, FACTS | {"archspec.task": "maps"})
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3))
    paths = [write_colours(tmp_path / f"{name}.png", pixels) for name in "ab"]
    with open_numbers(tmp_path / "kept.npz") as numbers:
        writer = AnswerWriter(ask(session), numbers, tmp_path / "pictures")
        for answered in answer_files(session, paths):
            assert isinstance(answered, Answered)
            writer(answered)
    assert str(writer) == f"wrote {tmp_path}/kept.npz and pictures of 2 in {tmp_path}/pictures/"
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == [
        "0-a.map.png",
        "0-a.png",
        "1-b.map.png",
        "1-b.png",
        "key.json",
    ]
    with np.load(tmp_path / "kept.npz") as kept, Image.open(tmp_path / "pictures" / "0-a.map.png") as drawn:
        names = [f"{i}.{name}" for i in range(2) for name in ("answer", "negative", "small")]
        assert sorted(kept) == sorted([*names, "files"])
        assert kept["files"].tolist() == list(map(str, paths))
        assert kept["0.small"].dtype == np.float32
        assert np.array_equal(kept["0.answer"], pixels.argmax(-1))
        assert np.array_equal(np.asarray(drawn), pixels.argmax(-1))
        assert np.allclose(kept["0.small"], pixels.transpose(2, 0, 1) / 255)


def test_a_folder_of_pictures_is_drawn_anew(tmp_path: Path) -> None:
    session = open_model(tmp_path, FACTS | {"archspec.task": "maps"})
    pixels = np.random.default_rng(0).integers(0, 255, (8, 8, 3))
    paths = [write_colours(tmp_path / f"{name}.png", pixels) for name in "abc"]
    for chosen in (paths, paths[:1]):
        writer = AnswerWriter(ask(session), NumbersFile(None, ExitStack()), tmp_path / "out")
        for answered in answer_files(session, chosen):
            assert isinstance(answered, Answered)
            writer(answered)
    assert str(writer) == f"wrote pictures of 1 in {tmp_path}/out/, in place of 6 older ones"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0-a.map.png", "0-a.png", "key.json"]
    Image.new("L", (2, 2)).save(tmp_path / "out" / "1-mine.png")
    with pytest.raises(ArchspecError, match=r"1-mine\.png is there already"):
        AnswerWriter(ask(session), NumbersFile(None, ExitStack()), tmp_path / "out")


def test_answers_come_one_by_one(tmp_path: Path) -> None:
    session = open_model(tmp_path, {})
    np.save(tmp_path / "b.npy", np.random.default_rng(0).standard_normal((5, 3, 6, 5)).astype(np.float32))
    answers = answer_files(session, [tmp_path / "b.npy", tmp_path / "none.npy"], ask(session, "joints"), batch=2)
    first = next(answers)
    assert isinstance(first, Answered)
    assert first.input.image.shape == first.outputs["small"].shape == (3, 6, 5)
    assert len(list(answers)) == 5


@pytest.mark.parametrize(
    ("metadata", "words", "message"),
    [
        (
            {"archspec.task": "heatmaps"},
            (),
            r"no task 'heatmaps'; did you mean 'maps'\? \(available: labels",
        ),
        ({}, ("poses",), r"no task 'poses' \(available"),
        ({}, ("labels",), "does not say the names of its classes.*export it with weights that"),
        ({}, ("maps", "big"), r"has no output 'big' \(has: negative, small\)"),
        ({"archspec.task": "maps", "archspec.stride": "two"}, (), "metadata 'archspec.stride' of .* is not valid JSON"),
        ({"archspec.task": "maps", "archspec.stride": "0"}, (), "must be between 1 and 32768, found 0"),
        ({"archspec.task": "maps", "archspec.stride": "1.5"}, (), "must be an integer"),
        ({"archspec.task": "maps", "archspec.classes": "[]"}, (), "must be a list of names"),
    ],
)
def test_questions_that_cannot_be_asked(
    tmp_path: Path, metadata: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ArchspecError, match=message):
        find_task_spec(open_model(tmp_path, metadata), *words)


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    session = open_model(tmp_path, {})
    write_colours(tmp_path / "a.png", np.zeros((8, 8, 3)))
    for array, message in (
        (np.zeros((3, 4), np.float32), "has 2 axes"),
        (np.zeros((0, 3, 4, 4), np.float32), r"x\.npy is empty: its shape is \(0, 3, 4, 4\)"),
        (np.zeros((2, 4, 4), np.float32), "axis 1 is 2; the model takes 3"),
        (np.full((3, 4, 4), np.nan, np.float32), "x.npy holds infinite numbers or NaN"),
    ):
        np.save(tmp_path / "x.npy", array)
        with pytest.raises(ArchspecError, match=message):
            predict(session, [tmp_path / "x.npy"], ask(session, "maps"))
    with pytest.raises(ArchspecError, match=r"a\.png: .*does not say how pictures become its input.*or give \.npy"):
        predict(session, [tmp_path / "a.png"], ask(session, "joints"))
    wrong = open_model(tmp_path, FACTS | {"archspec.task": "joints", "archspec.classes": '["a", "b"]'})
    with pytest.raises(ArchspecError, match="gives 3 heatmaps per image, for 2 joints"):
        predict(wrong, [tmp_path / "a.png"])
    flat = open_model(tmp_path, {}, size=("W",))
    np.save(tmp_path / "x.npy", np.zeros((3, 4), np.float32))
    with pytest.raises(ArchspecError, match=r"output 'small': joints need a heatmap for each.* --task names another"):
        predict(flat, [tmp_path / "x.npy"], ask(flat, "joints"))
    with pytest.raises(ArchspecError, match="a label has no picture"):
        AnswerWriter(ask(open_model(tmp_path, FACTS)), NumbersFile(None, ExitStack()), tmp_path)


def test_no_stride_is_none() -> None:
    assert STRIDE.read({}, "x") is None
    assert STRIDE.read({"archspec.stride": "4"}, "x") == 4
