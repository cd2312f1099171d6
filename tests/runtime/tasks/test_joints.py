"""The loss of joints, against numpy, and their scores, by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.tasks.grid import OutputGrid
from runtime.tasks.joints import MAX_DISTANCE, Joints

JOINTS = Joints()
GENERATOR = np.random.default_rng(0)


def test_joints() -> None:
    points = GENERATOR.uniform(8, 56, (5, 3, 2)).astype(np.float32)
    grid = JOINTS.place((3, 64, 64), (3, 16, 16))
    targets = JOINTS.make_targets(points, grid)
    heatmaps = GENERATOR.standard_normal(targets.shape).astype(np.float32)
    found = JOINTS.compute_loss(torch.from_numpy(heatmaps), torch.from_numpy(targets))
    assert found.item() == pytest.approx(float(((heatmaps - targets) ** 2).mean()), rel=1e-5)
    assert JOINTS.compute_loss(torch.from_numpy(targets), torch.from_numpy(targets)) == 0
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
    assert counts[:2].tolist() == [2, 3]
    assert JOINTS.score(counts) == {"pck": 2 / 3, "mean_distance": pytest.approx(8.1 / 3)}
    nothing = JOINTS.count(answers[:, 3:], points[:, 3:], grid)
    assert JOINTS.score(nothing) == {"pck": 0, "mean_distance": 0}
    assert JOINTS.count_equal(answers, answers + np.array([0, 0, 1e-5])) == (4, 4)
    assert JOINTS.count_equal(answers, answers + np.array([0.5, 0, 0])) == (0, 4)
