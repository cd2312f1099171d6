"""Class maps and joints from files; what the metadata says, and what a user says instead."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError
from runtime.prediction.answer_writer import AnswerWriter, NumbersFile
from runtime.prediction.answered import Answered
from runtime.prediction.predict import answer_files, predict
from runtime.tasks.joints import Pose
from runtime.tasks.maps import ClassMap
from tests.support.task_models import FACTS, ask, open_model, write_colours


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


def test_answers_come_one_by_one(tmp_path: Path) -> None:
    session = open_model(tmp_path, {})
    np.save(tmp_path / "b.npy", np.random.default_rng(0).standard_normal((5, 3, 6, 5)).astype(np.float32))
    answers = answer_files(session, [tmp_path / "b.npy", tmp_path / "none.npy"], ask(session, "joints"), batch=2)
    first = next(answers)
    assert isinstance(first, Answered)
    assert first.input.image.shape == first.outputs["small"].shape == (3, 6, 5)
    assert len(list(answers)) == 5


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
