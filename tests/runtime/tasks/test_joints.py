"""What is asked of joints, and their scores, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.tasks.grid import OutputGrid
from runtime.tasks.joints import MAX_DISTANCE, Joints

JOINTS = Joints()
GENERATOR = np.random.default_rng(0)


def test_joints() -> None:
    points = GENERATOR.uniform(8, 56, (5, 3, 2)).astype(np.float32)
    grid = JOINTS.place((3, 64, 64), (3, 16, 16))
    targets = JOINTS.make_targets(points, grid)
    scores = JOINTS.score(JOINTS.count(JOINTS.decide(targets, grid), points, grid))
    assert scores["pck"] == 1
    assert scores["mean_distance"] < 1.5
    flipped = JOINTS.decide(targets[..., ::-1], grid)
    assert JOINTS.score(JOINTS.count(flipped, points, grid))["pck"] < 0.5


def test_a_joint_counts_where_it_is_and_near() -> None:
    """One sixteenth of 64 pixels is 4; by hand: 0, 4, 4.1 pixels off, and one that is not there."""
    points = np.array([[[10, 10], [20, 20], [30, 30], [np.nan, np.nan]]])
    answers = np.array([[[10, 10, 1], [24, 20, 1], [30, 34.1, 1], [5, 5, 1.0]]])
    grid = OutputGrid((64, 32), (16, 8), 4)
    assert MAX_DISTANCE * 64 == 4
    counts = JOINTS.count(answers, points, grid)
    assert counts[:2].tolist() == [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert JOINTS.score(counts) == {"pck": 2 / 3, "mean_distance": pytest.approx(8.1 / 3)}
    rows = JOINTS.score_classes(counts, ["a", "b", "c", "d"])
    assert [row.asked for row in rows] == [1, 1, 1, 0]
    assert [row.scores["pck"] for row in rows] == [1, 1, 0, None]
    assert [row.scores["mean_distance"] for row in rows] == [0, 4, pytest.approx(4.1), None]
    nothing = JOINTS.count(answers[:, 3:], points[:, 3:], grid)
    assert JOINTS.score(nothing) == {"pck": 0, "mean_distance": 0}
    assert JOINTS.count_equal(answers, answers + np.array([0, 0, 1e-5])) == (4, 4)
    assert JOINTS.count_equal(answers, answers + np.array([0.5, 0, 0])) == (0, 4)


def test_a_joint_is_asked_where_it_is_labelled_and_on_the_image() -> None:
    """Hidden ones are labelled, as COCO has it; the last two are not labelled, and beyond the image's last pixel."""
    points = np.array([[[5, 6, 2], [7, 8, 1], [9, 9, 0], [40, 32.6, 2]]], np.float32)
    grid = OutputGrid((32, 64), (8, 16), 4)
    targets = JOINTS.make_targets(points, grid)
    assert JOINTS.find_asked(targets)[0].all((1, 2)).tolist() == [True, True, False, False]
    unknown = np.where(points[..., 2:] > 0, points[..., :2], np.nan)
    assert np.array_equal(JOINTS.make_targets(unknown, grid), targets, equal_nan=True)
    answers = np.array([[[5, 6, 1], [50, 8, 1], [9, 9, 1], [40, 32, 1.0]]])
    for labels in (points, unknown):
        assert JOINTS.count(answers, labels, grid).tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 43, 0, 0]]
    points[..., 2] = 2
    points[0, 3, 1] = 31.5
    assert JOINTS.count(answers, points, grid)[1].tolist() == [1, 1, 1, 1], "the control"
