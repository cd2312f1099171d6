"""A recipe's loss: what it means for each task, and what is refused because it would be without effect."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from archspec.errors import InputError
from runtime.recipes.objective import LossSection
from runtime.recipes.recipe import LOSSES as KNOWN_LOSSES
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import TASKS
from runtime.training.loss_choice import is_balanced, make_terms, weigh_outputs
from runtime.training.losses import LOSSES, balance_classes

COUNTS = np.array([90, 9, 1])
IMAGE = (64, 64)


def place(stride: int) -> OutputGrid:
    return OutputGrid(IMAGE, (64 // stride, 64 // stride), stride)


SCALES = {"deep": place(4), "middle": place(2), "fine": place(1), "twin": place(1)}


@pytest.mark.parametrize(("task", "usual"), [("labels", "cross_entropy"), ("maps", "cross_entropy"), ("joints", "mse")])
def test_each_task_has_its_usual_loss(task: str, usual: str) -> None:
    terms = make_terms(TASKS[task], LossSection(), 3, COUNTS)
    assert tuple(map(type, terms)) == LOSSES[usual]
    for name in TASKS[task].losses:
        assert tuple(map(type, make_terms(TASKS[task], LossSection(name=name), 3, COUNTS))) == LOSSES[name]  # type: ignore[arg-type]


def test_recipes_know_the_losses_of_the_tasks() -> None:
    assert {name: set(losses) for name, losses in KNOWN_LOSSES.items()} == {
        name: set(task.losses) for name, task in TASKS.items()
    }


@pytest.mark.parametrize(
    ("task", "settings", "balanced"),
    [
        ("maps", {}, True),
        ("maps", {"class_weights": "none"}, False),
        ("maps", {"name": "dice_cross_entropy"}, False),
        ("maps", {"name": "dice", "class_weights": "balanced"}, True),
        ("labels", {}, False),
        ("labels", {"class_weights": "balanced"}, True),
        ("labels", {"class_weights": [1.0, 2.0, 3.0]}, False),
    ],
)
def test_classes_are_weighed(task: str, settings: dict[str, Any], balanced: bool) -> None:
    section = LossSection(**settings)
    assert is_balanced(TASKS[task], section) == balanced
    weights = make_terms(TASKS[task], section, 3, COUNTS)[0].settings.weights
    expected = balance_classes(COUNTS) if balanced else settings.get("class_weights")
    if isinstance(expected, str) or expected is None:
        assert weights is None
    else:
        assert weights is not None
        assert torch.allclose(weights, torch.tensor(np.asarray(expected), dtype=torch.float32))


@pytest.mark.parametrize(
    ("task", "settings", "told"),
    [
        ("labels", {"name": "dice"}, "loss.name: labels do not learn by dice; take one of cross_entropy, focal"),
        ("joints", {"name": "cross_entropy"}, "loss.name: joints do not learn by cross_entropy; take one of mse"),
        ("maps", {"name": "mse"}, "take one of cross_entropy, dice_cross_entropy, dice, focal"),
        ("maps", {"name": "dice", "label_smoothing": 0.1}, "loss.label_smoothing: dice of maps has no labels"),
        ("joints", {"label_smoothing": 0.1}, "loss.label_smoothing: mse of joints has no labels to smooth"),
        ("joints", {"class_weights": [1.0] * 3}, "loss.class_weights: mse of joints has no classes to weigh"),
        ("labels", {"class_weights": [1.0] * 2}, "loss.class_weights: 2 weights for 3 classes"),
    ],
)
def test_what_would_be_without_effect_is_refused(task: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        make_terms(TASKS[task], LossSection(**settings), 3, COUNTS)


def test_coarser_outputs_weigh_half() -> None:
    """By hand; a quarter of the extents is one resolution coarser than a half, and the finest weigh 1."""
    halved = {"deep": 0.25, "middle": 0.5, "fine": 1.0, "twin": 1.0}
    assert weigh_outputs(SCALES, LossSection()) == weigh_outputs(SCALES, LossSection(outputs="halving")) == halved
    without = {name: SCALES[name] for name in ("deep", "fine")}
    assert weigh_outputs(without, LossSection()) == {"deep": 0.5, "fine": 1.0}
    assert weigh_outputs(SCALES, LossSection(outputs="equal")) == dict.fromkeys(SCALES, 1.0)
    stacks = {"heatmap0": place(4), "heatmap1": place(4)}
    assert weigh_outputs(stacks, LossSection()) == {"heatmap0": 1.0, "heatmap1": 1.0}
    logits = {"aux": OutputGrid((), ()), "output": OutputGrid((), ())}
    assert weigh_outputs(logits, LossSection()) == {"aux": 1.0, "output": 1.0}


def test_outputs_are_weighed_by_name() -> None:
    named = weigh_outputs(SCALES, LossSection(outputs={"deep": 0.3, "middle": 0}))
    assert named == {"deep": 0.3, "middle": 0, "fine": 1.0, "twin": 1.0}
    with pytest.raises(InputError, match=r"no output 'mddle'; did you mean 'middle'\?.*deep, middle, fine, twin"):
        weigh_outputs(SCALES, LossSection(outputs={"mddle": 1.0}))
    with pytest.raises(InputError, match="every output has the weight 0"):
        weigh_outputs(SCALES, LossSection(outputs=dict.fromkeys(SCALES, 0.0)))
