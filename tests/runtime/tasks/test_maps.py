"""The loss and the scores of maps, against torch's and scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, jaccard_score
from torch.nn import functional as F

from archspec.arrays import Array
from runtime.tasks.maps import IGNORED, Maps

MAPS = Maps()
GENERATOR = np.random.default_rng(0)


def draw_maps(count: int, classes: int, side: int) -> Array:
    maps = GENERATOR.integers(0, classes, (count, side, side))
    maps[GENERATOR.random(maps.shape) < 0.2] = IGNORED
    return maps


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
    counts, same = (MAPS.count(MAPS.decide(output, grid), maps, grid) for output in (logits, other))
    assert np.array_equal(counts, same)
    assert counts.sum() == (maps != IGNORED).sum()
    changed = np.where((maps == 1)[:, None], -logits, logits)
    assert not np.array_equal(counts, MAPS.count(MAPS.decide(changed, grid), maps, grid))


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


def test_volumes_have_maps() -> None:
    grid = MAPS.place((1, 8, 8, 8), (3, 4, 4, 4))
    maps = GENERATOR.integers(0, 3, (2, 8, 8, 8))
    assert np.array_equal(MAPS.make_targets(maps, grid), maps[:, 1::2, 1::2, 1::2])
    assert MAPS.decide(GENERATOR.standard_normal((2, 3, 4, 4, 4)), grid).shape == (2, 4, 4, 4)
