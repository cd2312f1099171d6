"""Each task's loss, answers and figures, against torch's losses, scikit-learn's metrics and heatmaps by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score
from torch.nn import functional as F

from archspec.errors import ArchspecError
from runtime.tasks.grid import Grid
from runtime.tasks.joints import MAX_DISTANCE
from runtime.tasks.maps import IGNORED
from runtime.tasks.registry import TASKS, find_task

LABELS, MAPS, JOINTS = (TASKS[name] for name in ("labels", "maps", "joints"))
GENERATOR = np.random.default_rng(0)


def draw_maps(count: int, classes: int, side: int) -> np.ndarray:
    maps = GENERATOR.integers(0, classes, (count, side, side))
    maps[GENERATOR.random(maps.shape) < 0.2] = IGNORED
    return maps


def test_names() -> None:
    assert list(TASKS) == ["labels", "maps", "joints"]
    assert find_task("maps") is MAPS
    with pytest.raises(
        ArchspecError, match=r"no task 'map'; did you mean 'maps'\? \(available: labels, maps, joints\)"
    ):
        find_task("map")


def test_labels() -> None:
    logits, labels = GENERATOR.standard_normal((20, 4)).astype(np.float32), GENERATOR.integers(0, 4, 20)
    found = LABELS.compute_loss(torch.from_numpy(logits), torch.from_numpy(labels), 0.1)
    assert found == F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels), label_smoothing=0.1)
    grid = LABELS.place((1, 8, 8), (4,))
    answers = LABELS.decide(logits, grid)
    halves = [LABELS.count(answers[part], labels[part], grid) for part in (slice(7), slice(7, None))]
    assert LABELS.score(halves[0] + halves[1]) == {"accuracy": accuracy_score(labels, answers)}
    assert LABELS.count_equal(answers, answers) == (20, 20)
    assert LABELS.count_equal(answers, (answers + 1) % 4) == (0, 20)


@pytest.mark.parametrize(("side", "stride"), [(16, None), (8, None), (10, None), (7, 2)])
def test_maps_are_compared_at_the_outputs_places(side: int, stride: int | None) -> None:
    maps = draw_maps(6, 3, 16)
    grid = MAPS.place((1, 16, 16), (3, side, side), stride)
    targets = MAPS.make_targets(maps, grid)
    assert targets.shape == (6, side, side)
    logits = GENERATOR.standard_normal((6, 3, side, side)).astype(np.float32)
    asked = targets != IGNORED
    rows = torch.from_numpy(np.moveaxis(logits, 1, -1)[asked])
    witness = F.cross_entropy(rows, torch.from_numpy(targets[asked])).item()
    found = MAPS.compute_loss(torch.from_numpy(logits), torch.from_numpy(targets))
    assert found.item() == pytest.approx(witness, rel=1e-5)
    answers = MAPS.decide(logits, grid)
    scores = MAPS.score(MAPS.count(answers[:2], maps[:2], grid) + MAPS.count(answers[2:], maps[2:], grid))
    truth, said = targets[asked], answers[asked]
    assert scores["mean_iou"] == pytest.approx(jaccard_score(truth, said, average="macro"), rel=1e-12)
    assert scores["pixel_accuracy"] == pytest.approx(accuracy_score(truth, said), rel=1e-12)
    perfect = np.where(asked, targets, 0)
    assert MAPS.score(MAPS.count(perfect, maps, grid)) == {"mean_iou": 1, "pixel_accuracy": 1}


def test_ignored_pixels_count_nowhere() -> None:
    maps = draw_maps(2, 3, 8)
    grid = MAPS.place((1, 8, 8), (3, 8, 8))
    logits = GENERATOR.standard_normal((2, 3, 8, 8)).astype(np.float32)
    other = np.where((maps == IGNORED)[:, None], -logits, logits)
    targets = torch.from_numpy(maps)
    assert MAPS.compute_loss(torch.from_numpy(logits), targets) == MAPS.compute_loss(torch.from_numpy(other), targets)
    counts = [MAPS.count(MAPS.decide(output, grid), maps, grid) for output in (logits, other)]
    assert np.array_equal(*counts)
    assert counts[0].sum() == (maps != IGNORED).sum()
    changed = np.where((maps == 1)[:, None], -logits, logits)
    assert not np.array_equal(counts[0], MAPS.count(MAPS.decide(changed, grid), maps, grid))


def test_one_number_is_the_second_of_two_classes() -> None:
    """The witness is torch's binary cross-entropy."""
    maps = GENERATOR.integers(0, 2, (3, 4, 4))
    logits = GENERATOR.standard_normal((3, 1, 4, 4)).astype(np.float32)
    found = MAPS.compute_loss(torch.from_numpy(logits), torch.from_numpy(maps))
    witness = F.binary_cross_entropy_with_logits(torch.from_numpy(logits[:, 0]), torch.from_numpy(maps).float())
    assert found.item() == pytest.approx(witness.item(), rel=1e-6)
    grid = MAPS.place((1, 4, 4), (1, 4, 4))
    assert MAPS.count_channels((1, 4, 4)) == 2
    assert np.array_equal(MAPS.decide(logits, grid), logits[:, 0] > 0)


def test_rare_classes_weigh_more() -> None:
    maps = np.zeros((1, 10, 10), np.int64)
    maps[0, 0, :4], maps[0, 1, :] = 1, IGNORED
    weights = MAPS.balance(maps, 3)
    assert weights[1] / weights[0] == pytest.approx(np.sqrt(86 / 4))
    assert weights[0] * 86 + weights[1] * 4 == pytest.approx(90)
    assert weights[2] == 0
    assert LABELS.balance(np.array([0, 0, 1]), 2).tolist() == [1, 1]


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
    grid = Grid((64, 32), (16, 8), 4)
    assert MAX_DISTANCE * 64 == 4
    counts = JOINTS.count(answers, points, grid)
    assert counts[:2].tolist() == [2, 3]
    assert JOINTS.score(counts) == {"pck": 2 / 3, "mean_distance": pytest.approx(8.1 / 3)}
    nothing = JOINTS.count(answers[:, 3:], points[:, 3:], grid)
    assert JOINTS.score(nothing) == {"pck": 0, "mean_distance": 0}
    assert JOINTS.count_equal(answers, answers + np.array([0, 0, 1e-5])) == (4, 4)
    assert JOINTS.count_equal(answers, answers + np.array([0.5, 0, 0])) == (0, 4)


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


def test_volumes_have_maps() -> None:
    grid = MAPS.place((1, 8, 8, 8), (3, 4, 4, 4))
    maps = GENERATOR.integers(0, 3, (2, 8, 8, 8))
    assert np.array_equal(MAPS.make_targets(maps, grid), maps[:, 1::2, 1::2, 1::2])
    assert MAPS.decide(GENERATOR.standard_normal((2, 3, 4, 4, 4)), grid).shape == (2, 4, 4, 4)
