"""The loss that is trained on and the one that is reported are torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from runtime.data.dataset import Dataset, Split
from runtime.data.registry import load_data
from runtime.tasks.grid import OutputGrid
from runtime.tasks.maps import IGNORED
from runtime.tasks.registry import find_task
from runtime.training.objective import Objective, measure
from tests.support.models import make_data

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def maps() -> Dataset:
    return load_data("digit_maps")


def test_the_loss_of_chosen_images_is_torchs_with_smoothing() -> None:
    data = make_data()
    objective = Objective(data, {"a": OutputGrid((), ()), "b": OutputGrid((), ())}, CPU, 0.2)
    chosen = torch.tensor([5, 0, 9])
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    targets = torch.from_numpy(data.training.labels)[chosen]
    outputs = {"a": logits, "b": 2 * logits}
    expected = F.cross_entropy(logits, targets, label_smoothing=0.2)
    expected += F.cross_entropy(2 * logits, targets, label_smoothing=0.2)
    assert torch.allclose(objective.compute_loss(outputs, chosen), expected)
    assert not torch.allclose(objective.compute_loss(outputs, chosen + 1), expected)


def test_the_last_output_is_counted() -> None:
    data = make_data()
    objective = Objective(data, {"a": OutputGrid((), ()), "b": OutputGrid((), ())}, CPU, 0.0)
    chosen = torch.tensor([4, 2])
    right = F.one_hot(torch.from_numpy(data.training.labels)[chosen], 3).float()
    assert objective.count({"a": -right, "b": right}, chosen).tolist() == [2, 2]
    assert objective.count({"a": right, "b": -right}, chosen).tolist() == [0, 2]


def test_training_weighs_the_classes_and_the_report_does_not(maps: Dataset) -> None:
    grid = OutputGrid((32, 32), (32, 32))
    objective = Objective(maps, {"output": grid}, CPU, 0.0)
    logits = torch.randn(4, 11, 32, 32, generator=torch.Generator().manual_seed(0))
    part = maps.training.labels[:4]
    targets = torch.from_numpy(part)
    counts = np.bincount(maps.training.labels[maps.training.labels != IGNORED], minlength=11)
    weights = torch.from_numpy((counts**-0.5 * counts.sum() / (counts**0.5).sum()).astype(np.float32))
    weighed = F.cross_entropy(logits, targets, weights, ignore_index=IGNORED)
    plain = F.cross_entropy(logits, targets, ignore_index=IGNORED)
    assert not torch.allclose(weighed, plain)
    assert torch.allclose(objective.compute_loss({"output": logits}, torch.arange(4)), weighed)
    split = Split(maps.training.images[:4], part)
    loss, scores = measure({"output": logits.numpy()}, split, find_task("maps"), {"output": grid})
    assert loss == pytest.approx(plain.item())
    answers = logits.argmax(1)[targets != IGNORED]
    assert scores["pixel_accuracy"] == pytest.approx((answers == targets[targets != IGNORED]).double().mean().item())
