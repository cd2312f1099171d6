"""The targets and the scores of maps, against scikit-learn's and torchmetrics'."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, jaccard_score

from archspec.arrays import Array
from runtime.pictures.geometry import NOT_ASKED
from runtime.tasks.grid import OutputGrid
from runtime.tasks.maps import Maps
from tests.support.torchmetrics_witness import import_torchmetrics

MAPS = Maps()
GENERATOR = np.random.default_rng(0)


def draw_maps(count: int, classes: int, side: int) -> Array:
    maps = GENERATOR.integers(0, classes, (count, side, side))
    maps[GENERATOR.random(maps.shape) < 0.2] = NOT_ASKED
    return maps


@pytest.mark.parametrize(("side", "stride"), [(16, None), (8, None), (10, None), (7, 2)])
def test_maps_are_compared_at_the_outputs_places(side: int, stride: int | None) -> None:
    maps = draw_maps(6, 3, 16)
    grid = MAPS.place((1, 16, 16), (3, side, side), stride)
    targets = MAPS.make_targets(maps, grid)
    assert targets.shape == (6, side, side)
    logits = GENERATOR.standard_normal((6, 3, side, side)).astype(np.float32)
    asked = targets != NOT_ASKED
    answers = MAPS.decide(logits, grid)
    scores = MAPS.score(MAPS.count(answers[:2], maps[:2], grid) + MAPS.count(answers[2:], maps[2:], grid))
    truth, said = targets[asked], answers[asked]
    assert scores["mean_iou"] == pytest.approx(jaccard_score(truth, said, average="macro"), rel=1e-12)
    assert scores["pixel_accuracy"] == pytest.approx(accuracy_score(truth, said), rel=1e-12)
    perfect = np.where(asked, targets, 0)
    assert MAPS.score(MAPS.count(perfect, maps, grid)) == {"mean_iou": 1, "pixel_accuracy": 1, "mean_dice": 1}
    assert scores["mean_dice"] == pytest.approx(f1_score(truth, said, average="macro"), rel=1e-12)


@pytest.mark.parametrize("extents", [(9, 7), (5, 4, 6)])
def test_classes_have_scores(extents: tuple[int, ...]) -> None:
    """The witness is torchmetrics, with its ignored class. Of five classes 3 is answered and nowhere asked, and 4 is
    neither, so that it counts nowhere."""
    maps, answers = GENERATOR.integers(0, 3, (4, *extents)), GENERATOR.integers(0, 4, (4, *extents))
    maps[GENERATOR.random(maps.shape) < 0.3] = NOT_ASKED
    grid = OutputGrid(extents, extents)
    parts = [MAPS.count(answers[part], maps[part], grid) for part in (slice(1), slice(1, 4))]
    counts = parts[0] + parts[1]
    classes = MAPS.score_classes(counts, [str(number) for number in range(5)])
    metrics = import_torchmetrics("functional.classification")
    given = torch.from_numpy(answers), torch.from_numpy(maps)
    options: dict[str, Any] = {"num_classes": 5, "ignore_index": NOT_ASKED}
    known = [0, 1, 2, 3]
    for name, compute in (("iou", metrics.multiclass_jaccard_index), ("dice", metrics.multiclass_f1_score)):
        expected = compute(*given, average="none", **options).numpy()[known]
        found = [classes[number].scores[name] for number in known]
        assert found == pytest.approx(expected.tolist(), abs=1e-6)
        assert MAPS.score(counts)[f"mean_{name}"] == pytest.approx(expected.mean(), abs=1e-6)
        assert classes[4].scores[name] is None
        assert MAPS.score(counts)[f"mean_{name}"] != pytest.approx(expected[:3].mean(), abs=1e-2)
    assert [item.asked for item in classes] == [int((maps == number).sum()) for number in range(5)]
    assert classes[0].to_dict() == {"name": "0", "asked": classes[0].asked, **classes[0].scores}


def test_ignored_pixels_count_nowhere() -> None:
    maps = draw_maps(2, 3, 8)
    grid = MAPS.place((1, 8, 8), (3, 8, 8))
    logits = GENERATOR.standard_normal((2, 3, 8, 8)).astype(np.float32)
    other = np.where((maps == NOT_ASKED)[:, None], -logits, logits)
    counts, same = (MAPS.count(MAPS.decide(output, grid), maps, grid) for output in (logits, other))
    assert np.array_equal(counts, same)
    assert counts.sum() == (maps != NOT_ASKED).sum()
    changed = np.where((maps == 1)[:, None], -logits, logits)
    assert not np.array_equal(counts, MAPS.count(MAPS.decide(changed, grid), maps, grid))


def test_one_number_is_the_second_of_two_classes() -> None:
    logits = GENERATOR.standard_normal((3, 1, 4, 4)).astype(np.float32)
    grid = MAPS.place((1, 4, 4), (1, 4, 4))
    assert MAPS.count_channels((1, 4, 4)) == 2
    assert np.array_equal(MAPS.decide(logits, grid), logits[:, 0] > 0)


def test_the_classes_that_are_asked_are_counted() -> None:
    """By hand; a class that is not there is not named."""
    stored = np.zeros((10, 10), np.uint8)
    stored[0, :4], stored[1, :] = 3, NOT_ASKED
    found, times = MAPS.count_classes(stored)
    assert (found.tolist(), times.tolist()) == ([0, 3], [86, 4])
    assert not MAPS.count_classes(np.full((2, 2), NOT_ASKED, np.uint8))[0].size


def test_volumes_have_maps() -> None:
    grid = MAPS.place((1, 8, 8, 8), (3, 4, 4, 4))
    maps = GENERATOR.integers(0, 3, (2, 8, 8, 8))
    assert np.array_equal(MAPS.make_targets(maps, grid), maps[:, 1::2, 1::2, 1::2])
    assert MAPS.decide(GENERATOR.standard_normal((2, 3, 4, 4, 4)), grid).shape == (2, 4, 4, 4)
