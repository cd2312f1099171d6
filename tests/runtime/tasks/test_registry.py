"""Tasks are found by name, and refuse outputs that cannot answer them."""

from __future__ import annotations

import pytest

from archspec.errors import ArchspecError
from runtime.tasks.maps import Maps
from runtime.tasks.registry import TASKS, UNNAMED, find_task


def test_names() -> None:
    assert list(TASKS) == ["labels", "maps", "joints"]
    assert isinstance(find_task("maps"), Maps)
    assert UNNAMED in TASKS
    with pytest.raises(
        ArchspecError, match=r"no task 'map'; did you mean 'maps'\? \(available: labels, maps, joints\)"
    ):
        find_task("map")


@pytest.mark.parametrize(
    ("task", "shape", "message"),
    [
        ("labels", (3, 8, 8), r"one row of numbers, found \(3, 8, 8\) per image"),
        ("maps", (3,), r"needs an output with places, found \(3,\) per image"),
        ("maps", (3, 9, 9), "an output of 9×9 positions, 1 pixels apart, is larger than the image, 8×8"),
        ("joints", (3,), r"joints need a heatmap for each, \(joints, height, width\), found \(3,\)"),
        ("joints", (3, 8, 8, 8), r"found \(3, 8, 8, 8\) per image"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(task: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        TASKS[task].place((1, 8, 8), shape)
