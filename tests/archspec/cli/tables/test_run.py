"""What is printed of answers: a row for each file, and how its picture was read."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.cli.tables.run import print_answers, print_outputs
from runtime.tasks.registry import find_task
from tests.support.tables import read_rows


def answer(label: str, probability: float, other: str) -> dict[str, Any]:
    """As `--json` has it."""
    top = [{"label": label, "probability": probability}, {"label": other, "probability": 1 - probability}]
    return {"label": label, "probability": probability, "top": top}


def test_labels_are_a_row_for_each_file(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[dict[str, Any]] = [
        {"path": "a.png", "size": [8, 8], **answer("cat", 0.75, "dog")},
        {"path": "b.png", "size": [8, 4], "resized_to": [8, 8], **answer("dog", 1.0, "cat")},
    ]
    print_answers(find_task("labels"), rows, "cpu", "wrote 2 pictures")
    printed = read_rows(capsys)
    assert printed[1:3] == [["a.png", "cat", "75.0%", "dog 25.0%"], ["b.png", "dog", "100.0%", "cat 0.0%"]]
    assert printed[3] == ["pictures: 1 at own size; 1 resized to 8×8 (1 of them to another aspect ratio)"]
    assert printed[4] == ["ran on cpu; wrote 2 pictures"]


def test_plain_outputs_are_told_in_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"shape": [1, 10], "mean": 0.123456, "min": None, "max": 2.0}
    print_outputs([{"path": "x.npy", "outputs": {"y": figures}}], "cpu", "")
    assert read_rows(capsys)[1:] == [["x.npy", "y", "1×10", "0.1235", "2"], ["ran on cpu"]]


def test_what_pictures_were_laid_on_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    outputs = {"y": {"shape": [1], "mean": 0.0, "min": 0.0, "max": 0.0}}
    row = {"path": "a.png", "size": [8, 8], "padded_to": [16, 16], "ground": "white", "outputs": outputs}
    print_outputs([row, {**row, "path": "b.png"}], "cpu", "")
    (told,) = [row[0] for row in read_rows(capsys) if row[0].startswith("pictures: ")]
    assert told.startswith("pictures: 2 at own size and padded to one that the model takes")
    assert told.endswith("; 2 laid on white")


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        ({}, "1 at own size"),
        ({"resized_to": [50, 100]}, "1 resized to 50×100"),
        ({"resized_to": [51, 101]}, "1 resized to 51×101"),
        ({"resized_to": [50, 50]}, "1 resized to 50×50 (1 of them to another aspect ratio)"),
        ({"resized_to": [64, 128], "cropped_to": [56, 56]}, "1 resized and cut to the middle 56×56"),
        ({"cropped_to": [56, 56]}, "1 at own size and cut to the middle 56×56"),
        ({"resized_to": [32, 64], "padded_to": [64, 64], "fill": [0.5]}, "1 fitted into 64×64, with bars"),
        ({"fill": [0.5]}, "1 fitted into 100×200, with bars"),
        ({"padded_to": [112, 208]}, "1 at own size and padded to one that the model takes, by repeating the border"),
    ],
)
def test_how_a_picture_came_to_its_size_is_told(
    reading: dict[str, Any], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"path": "a.png", "size": [100, 200], **reading, **answer("cat", 0.75, "dog")}
    print_answers(find_task("labels"), [row], "cpu", "")
    assert read_rows(capsys)[2] == [f"pictures: {told}"]
