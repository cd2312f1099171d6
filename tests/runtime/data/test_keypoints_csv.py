"""Keypoints in a table: a row for each picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.keypoints_csv import LAYOUT, recognize
from runtime.data.listing import list_data
from tests.support.poses import write_pictures


def write(folder: Path, text: str) -> Path:
    write_pictures(folder, {"images/a.png": (20, 30), "images/b.png": (20, 30), "images/c.png": (20, 30)})
    (folder / "points.csv").write_text(text, encoding="utf-8")
    return folder


def test_joints_have_numbers_or_names(tmp_path: Path) -> None:
    write(tmp_path, "file,x1,y1,v1,x2,y2,v2,part\nb.png,3,4.5,2,,,0,test\na.png,1,2,1,5,6,2,\nc.png,,,,,,,\n")
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert (source.classes, source.flip_idx, source.parts) == (("1", "2"), None, ["", "test"])
    assert source.samples[0][1].tolist() == [[1, 2, 1], [5, 6, 2]]
    assert source.samples[1][1].tolist() == [[3, 4.5, 2], [0, 0, 0]]
    assert source.samples[1][0].shape == (3, 20, 30)
    assert source.notes == ("1 annotation of data left out: with no keypoint labelled",)
    (tmp_path / "points.csv").write_text(
        "image;left_eye_x;left_eye_y;right_eye_x;right_eye_y\na.png;1;2;3;4\nb.png;;;5;6\n"
    )
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert (source.classes, source.flip_idx) == (("left_eye", "right_eye"), (1, 0))
    assert source.samples[0][1].tolist() == [[1, 2, 2], [3, 4, 2]], "without a visibility they are visible"
    assert source.samples[1][1].tolist() == [[0, 0, 0], [5, 6, 2]]
    (tmp_path / "data.yaml").write_text("crop: box\njoints: [one, other]\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert source.classes == ("one", "other")
    assert source.samples[0][0].shape == (3, 5, 5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a.png,1,2,2\na.png,1,2,2", r"points\.csv:3: images/a\.png is named a second time: a table has one pose"),
        ("a.png,1,b,2", r"points\.csv:2: `y1` is 'b', and no number of pixels"),
        ("a.png,1,,2", r"points\.csv:2: `y1` is '', and no number of pixels"),
        ("a.png,nan,1,2", r"points\.csv:2: `x1` is 'nan', and no number of pixels"),
        ("a.png,1e30,1,2", r"points\.csv:2: `x1` is '1e30', and no number of pixels"),
        ("a.png,1,2,3", r"points\.csv:2: `v1` is '3', and a visibility is 0, 1 or 2"),
        ("a.png,,,2", r"points\.csv:2: `v1` is 2, and `x1` is empty"),
        ("z.png,1,2,2", r"points\.csv:2: `image` is 'z\.png', and .* has no such file"),
        ("a.png,,,", r"points\.csv labels no joint of any picture"),
    ],
)
def test_mistakes_have_lines(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LAYOUT.read(list_data(write(tmp_path, f"image,x1,y1,v1\n{rows}\n")), "data")


def test_tables_of_other_things_are_not_recognized(tmp_path: Path) -> None:
    for header in ("image,label", "image,x1", "x1,y1", "image,nose_x,nose_v"):
        assert not recognize(list_data(write(tmp_path, f"{header}\n")))


@given(st.text(alphabet="12.5,\nab-e x", max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_are_joints_or_an_error_of_the_input(tmp_path: Path, text: str) -> None:
    write(tmp_path, f"image,x1,y1\na.png,1,2\n{text}")
    try:
        assert len(LAYOUT.read(list_data(tmp_path), "data").samples) >= 1
    except InputError as error:
        said = str(error)
        assert "points.csv" in said
