"""Keypoints in COCO's JSON: whose joints they are, in which picture, and what is told of what makes no sense."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.keypoints_coco import LAYOUT, recognize
from runtime.data.listing import list_data
from runtime.data.opening import open_data
from runtime.recipes.data import DataSection
from tests.support.poses import JOINTS, make_coco, write_coco, write_pictures

ONE = {"image_id": 1, "keypoints": [3, 4, 2, 10, 8, 1, 0, 0, 0], "bbox": [2, 3, 16, 8]}
TWO = {"image_id": 2, "keypoints": [5, 5, 2, 6, 6, 2, 7, 7, 2], "bbox": [4, 4, 8, 8]}


def make(folder: Path, document: Any = None, name: str = "annotations/people.json") -> Path:
    write_pictures(folder, {"images/a.png": (20, 30), "images/b.png": (20, 30)})
    write_coco(folder / name, make_coco(["a.png", "b.png"], [ONE, TWO]) if document is None else document)
    return folder


def test_images_of_one_person_each_are_seen_whole(tmp_path: Path) -> None:
    listing = list_data(make(tmp_path))
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert (source.task, source.classes, source.flip_idx) == ("joints", tuple(JOINTS), (0, 2, 1))
    assert list(source.names) == ["images/a.png", "images/b.png"]
    image, pose = source.samples[0]
    assert image.shape == (3, 20, 30)
    assert pose.tolist() == [[3, 4, 2], [10, 8, 1], [0, 0, 0]]
    assert source.notes == ()


def test_people_are_cut_out_of_an_image_that_shows_several_and_stay_in_one_part(tmp_path: Path) -> None:
    document = make_coco(["a.png", "b.png"], [ONE, {**ONE, "bbox": [10, 10, 8, 8]}, TWO])
    source = LAYOUT.read(list_data(make(tmp_path, document)), "data")
    assert list(source.names) == ["images/a.png#100", "images/a.png#101", "images/b.png#102"]
    assert list(source.groups or ()) == ["images/a.png", "images/a.png", "images/b.png"]
    assert [source.samples[index][0].shape[1:] for index in range(3)] == [(10, 20), (10, 10), (10, 10)]
    data = open_data(tmp_path, DataSection(test=0.5))
    assert sorted(map(len, (data.train, data.test))) == [1, 2]


def test_what_is_cut_out_may_be_said(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "data.yaml").write_text("crop: box\njoints: [n, l, r]\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert (source.classes, source.flip_idx) == (("n", "l", "r"), None)
    assert source.samples[0][0].shape[1:] == (10, 20)
    (tmp_path / "data.yaml").write_text("flip_idx: [0, 1, 2]\n")
    assert LAYOUT.read(list_data(tmp_path), "data").flip_idx == (0, 1, 2)
    (tmp_path / "data.yaml").write_text("crop: none\n")
    write_coco(tmp_path / "annotations/people.json", make_coco(["a.png"], [ONE, ONE]))
    with pytest.raises(
        InputError, match="has images that show several people: with `crop: none` each needs to show one"
    ):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "data.yaml").write_text("joints: [a, b]\n")
    with pytest.raises(InputError, match=r"data\.yaml:1:1: data has 3 joints, and `joints` has 2 here"):
        LAYOUT.read(list_data(tmp_path), "data")


def test_crowds_and_those_without_joints_are_left_out_and_told(tmp_path: Path) -> None:
    """As pycocotools' evaluation of keypoints leaves them out."""
    nothing = {"image_id": 2, "keypoints": [0] * 9, "num_keypoints": 0}
    other = {"image_id": 2, "category_id": 7, "bbox": [0, 0, 5, 5]}
    document = make_coco(["a.png", "b.png"], [ONE, {**TWO, "iscrowd": 1}, nothing, other, TWO])
    document["categories"].append({"id": 7, "name": "dog"})
    source = LAYOUT.read(list_data(make(tmp_path, document)), "data")
    assert list(source.names) == ["images/a.png", "images/b.png"]
    assert set(source.notes) == {
        "1 annotation of data left out: of a crowd",
        "1 annotation of data left out: with no keypoint labelled",
        "1 annotation of data left out: of a category without keypoints",
    }
    write_coco(tmp_path / "annotations/people.json", make_coco(["a.png"], [{**nothing, "image_id": 1}]))
    with pytest.raises(
        InputError, match="no annotation of data has keypoints to train on: 1 with no keypoint labelled"
    ):
        LAYOUT.read(list_data(tmp_path), "data")


def test_a_box_is_made_where_there_is_none(tmp_path: Path) -> None:
    given = [{key: value for key, value in ONE.items() if key != "bbox"}, {**ONE, "bbox": [0, 0, 0, 0]}]
    source = LAYOUT.read(list_data(make(tmp_path, make_coco(["a.png"], given))), "data")
    assert source.samples[0][0].shape == source.samples[1][0].shape == (3, 7, 10)


def test_parts_are_said_by_the_names_of_files_and_pictures_by_their_folders(tmp_path: Path) -> None:
    write_pictures(tmp_path, {"train2017/1.png": (8, 8), "val2017/1.png": (9, 9)})
    for part, size in (("train", 8), ("val", 9)):
        annotation = {"image_id": 1, "keypoints": [size - 1, 0, 2, 1, 1, 2, 1, 1, 2]}
        write_coco(tmp_path / f"annotations/person_keypoints_{part}2017.json", make_coco(["1.png"], [annotation]))
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert list(source.names) == ["train2017/1.png", "val2017/1.png"]
    assert source.parts == ["train", "validation"]
    write_coco(tmp_path / "annotations/more.json", make_coco(["1.png"], []))
    with pytest.raises(
        InputError, match=r"has several files of annotations, .* name one in data\.yaml, as in `annotations"
    ):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "data.yaml").write_text("annotations: annotations/person_keypoints_train2017.json\n")
    assert list(LAYOUT.read(list_data(tmp_path), "data").names) == ["train2017/1.png"], "and the part is not asked for"


def test_an_image_of_two_parts_is_told_with_both_files(tmp_path: Path) -> None:
    make(tmp_path, name="annotations/train.json")
    write_coco(tmp_path / "annotations/val.json", make_coco(["b.png"], [{**ONE, "image_id": 1}]))
    with pytest.raises(
        InputError, match=r"val\.json: annotation 0 is of images/b\.png, and so is one of .*train\.json"
    ):
        LAYOUT.read(list_data(tmp_path), "data")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_that_is_cut_off_is_told_and_not_passed_over(tmp_path: Path, encoding: str) -> None:
    """Wherever it ends, if it is only seen whose file it is."""
    make(tmp_path)
    path = tmp_path / "annotations/people.json"
    text = path.read_text(encoding="utf-8")
    for end in range(30, len(text) - 1, 23):
        path.write_text(text[:end], encoding=encoding)
        with pytest.raises(InputError, match=r"people\.json is not valid JSON: .*line 1 column \d+ .*; is it whole\?"):
            open_data(tmp_path)
    path.write_text(text, encoding=encoding)
    assert len(open_data(tmp_path).train) == 1, "the control: the whole file is read, in UTF-16 too"


def test_what_is_no_coco(tmp_path: Path) -> None:
    make(tmp_path, {"hello": 1})
    assert not recognize(list_data(tmp_path))
    document = make_coco(["a.png"], [ONE])
    document["categories"] = [{"id": 1, "name": "person"}]
    write_coco(tmp_path / "annotations/people.json", document)
    with pytest.raises(InputError, match="has no category with keypoints: boxes and outlines alone are no joints"):
        LAYOUT.read(list_data(tmp_path), "data")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keypoints": [1, 2]}, "annotation 0 has 2 numbers as 'keypoints', and 3 joints need 3 each"),
        ({"keypoints": None}, "annotation 0 has no numbers as 'keypoints'"),
        ({"keypoints": [1, 2, 3] * 3}, "annotation 0: 'keypoints': a visibility is 0, 1 or 2"),
        ({"keypoints": [1, "2", 2] * 3}, "annotation 0: 'keypoints' must be a number, found a string"),
        ({"image_id": 5}, "annotation 0 is of an image that 'images' does not name"),
        ({"image_id": None}, "'image_id' must be a number or a text"),
        ({"bbox": [1, 2, 3]}, "annotation 0: 'bbox' must be left, top, width and height"),
        ({"bbox": [1, 2, 3, "x"]}, "annotation 0: 'bbox' must be a number"),
        ({"bbox": [1, 2, 1e300, 3]}, r"annotation 0: 'bbox': 1e\+300 is no number of pixels"),
        ({"keypoints": [1e308, 2, 2] * 3}, r"annotation 0: 'keypoints': 1e\+308 is no number of pixels"),
    ],
)
def test_annotations_that_make_no_sense(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    make(tmp_path, make_coco(["a.png", "b.png"], [{**ONE, **change}]))
    with pytest.raises(InputError, match=f"people\\.json: {message}"):
        LAYOUT.read(list_data(tmp_path), "data")


def test_files_that_make_no_sense(tmp_path: Path) -> None:
    whole = make_coco(["a.png", "gone.png"], [ONE, TWO])
    make(tmp_path, whole)
    with pytest.raises(InputError, match=r"people\.json: .* has no picture 'gone\.png', or several"):
        LAYOUT.read(list_data(tmp_path), "data")
    for key in ("images", "annotations", "categories"):
        write_coco(tmp_path / "annotations/people.json", {**whole, key: {}})
        with pytest.raises(InputError, match=f"people\\.json: '{key}' must be a list of objects"):
            LAYOUT.read(list_data(tmp_path), "data")
    different = copy.deepcopy(whole)
    different["categories"].append({"id": 2, "keypoints": ["other"]})
    write_coco(tmp_path / "annotations/people.json", different)
    with pytest.raises(InputError, match="categories, or files beside it have, with different keypoints: keep one"):
        LAYOUT.read(list_data(tmp_path), "data")
    for key, places in (("images", "0"), ("annotations", "0"), ("categories", "0")):
        again = copy.deepcopy(whole)
        again[key].append({**again[key][0]})
        write_coco(tmp_path / "annotations/people.json", again)
        told = (
            rf"people\.json: '{key}'\[{places}\] and '{key}'\[{len(whole[key])}\] \(counted from 0\) both have the id"
        )
        with pytest.raises(InputError, match=told):
            LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "annotations/people.json").write_text('{"images": [], "annotations": [')
    with pytest.raises(InputError, match=r"people\.json is not valid JSON"):
        LAYOUT.read(list_data(tmp_path), "data")


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_an_error_of_the_input(tmp_path: Path, data: st.DataObject) -> None:
    """A value somewhere is replaced by another kind of value."""
    document = make_coco(["a.png", "b.png"], [ONE, TWO])
    place: Any = document
    for _ in range(data.draw(st.integers(1, 5))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
            place[key] = data.draw(
                st.none() | st.booleans() | st.integers(-2, 9) | st.just([]) | st.just({}) | st.just("a")
            )
            break
        place = place[key]
    make(tmp_path, json.loads(json.dumps(document)))
    try:
        source = LAYOUT.read(list_data(tmp_path), "data")
        assert all(np.isfinite(source.samples[index][1]).all() for index in range(len(source.samples)))
    except InputError:
        pass


@pytest.mark.parametrize("found", [[], {}, True, None])
def test_a_category_that_is_no_number_or_text_is_told(tmp_path: Path, found: object) -> None:
    document = make_coco(["a.png", "b.png"], [ONE, TWO])
    document["annotations"][0]["category_id"] = found
    make(tmp_path, document)
    with pytest.raises(InputError, match="'category_id' must be a number or a text"):
        LAYOUT.read(list_data(tmp_path), "data")
