"""A step goes down the gradient of all its images, however these are divided, and none is taken into nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archspec.errors import InputError
from runtime.data.fetching import Batch
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.objective import LossSection
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import find_task
from runtime.training.objective import Objective
from runtime.training.optimizer import build_optimizer
from runtime.training.ranks import Ranks
from runtime.training.state import TrainState
from runtime.training.step import NonfiniteStepError, StepFigures, StepTaker, StepTask

PREPROCESS = Preprocess(1, (4, 4), (0.0,), (1.0,))
PLAIN = {"name": "sgd", "momentum": 0, "nesterov": False, "weight_decay": 0}
LABELS = torch.tensor([0, 1, 2, 0, 1])
IMAGES = torch.rand((5, 1, 4, 4), generator=torch.Generator().manual_seed(0))


def make_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3))


def take(
    module: nn.Module, fields: Mapping[str, Any], images: Tensor = IMAGES, rate: float = 0.5
) -> tuple[TrainState, StepFigures]:
    recipe = Recipe.model_validate({"batch": 12, "optimizer": PLAIN, **fields})
    objective = Objective(find_task("labels"), {"output": OutputGrid((), ())}, recipe.loss, 3)
    scaler = torch.amp.GradScaler("cpu") if recipe.precision == "fp16" else None
    state = TrainState(module, build_optimizer(module, recipe), None, scaler)
    taker = StepTaker(state, module, objective, StepTask(recipe, PREPROCESS), Ranks())
    batch = Batch(images, LABELS[: len(images)], torch.arange(len(images)))
    return state, taker.take(batch, rate, lambda part: part, measured=True)


def list_moves(module: nn.Module, before: nn.Module) -> list[Tensor]:
    return [now - old for now, old in zip(module.parameters(), before.parameters(), strict=True)]


@pytest.mark.parametrize("accumulate", [1, 2, 3, 4, 12])
def test_parts_of_a_step_add_up_to_it(accumulate: int) -> None:
    """Of five images with class weights, in parts of unequal size and weight. The witness is torch's gradient of all;
    the mean of the parts' means is the control."""
    weights, net = torch.tensor([1.0, 2.0, 4.0]), make_net()
    before = copy.deepcopy(net)
    fields = {"accumulate": accumulate, "loss": LossSection(class_weights=weights.tolist())}
    _, figures = take(net, fields)
    loss = nn.functional.cross_entropy(before(IMAGES), LABELS, weights)
    expected = torch.autograd.grad(loss, list(before.parameters()))
    assert figures.loss == pytest.approx(loss.item(), rel=1e-5)
    moves = list_moves(net, before)
    assert all(torch.allclose(move, -0.5 * slope, atol=1e-6) for move, slope in zip(moves, expected, strict=True))
    norm = torch.cat([slope.ravel() for slope in expected]).norm().item()
    assert figures.gradient_norm == pytest.approx(norm, rel=1e-5)
    length = torch.cat([weight.ravel() for weight in before.parameters()]).norm().item()
    assert figures.update_ratio == pytest.approx(0.5 * norm / length, rel=1e-4)
    parts = zip(IMAGES.tensor_split(2), LABELS.tensor_split(2), strict=True)
    means = [nn.functional.cross_entropy(before(part), labels, weights).item() for part, labels in parts]
    assert np.mean(means) != pytest.approx(loss.item(), rel=1e-3)
    right = (before(IMAGES).argmax(1) == LABELS).double().mean().item()
    assert find_task("labels").score(figures.counts)["accuracy"] == pytest.approx(right)


def test_a_gradient_is_clipped_as_torch_clips_it() -> None:
    net, other = make_net(), make_net()
    before = copy.deepcopy(net)
    _, figures = take(net, {"clip": 0.01})
    _, free = take(other, {})
    assert figures.gradient_norm == free.gradient_norm > 0.01
    witness = copy.deepcopy(before)
    nn.functional.cross_entropy(witness(IMAGES), LABELS).backward()
    nn.utils.clip_grad_norm_(witness.parameters(), 0.01)
    optimizer = build_optimizer(witness, Recipe.model_validate({"optimizer": PLAIN}))
    for group in optimizer.param_groups:
        group["lr"] = 0.5
    optimizer.step()
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(net.parameters(), witness.parameters(), strict=True))
    assert not any(torch.allclose(a, b, atol=1e-5) for a, b in zip(net.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_that_is_not_finite_leaves_all_as_it_was(accumulate: int) -> None:
    """Weights, running statistics and the count of steps; the images of its part are told."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3))
    images = IMAGES.clone()
    images[4, 0, 1, 1] = torch.nan
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(NonfiniteStepError, match="the loss became nan") as caught:
        take(net, {"accumulate": accumulate}, images)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert (caught.value.part, caught.value.first) == ((0, 0) if accumulate == 1 else (1, 3))
    assert caught.value.images is not None
    assert len(caught.value.images) == (5 if accumulate == 1 else 2)


def test_a_gradient_that_is_not_finite_is_told_by_its_weight() -> None:
    class Rooted(nn.Module):
        """Its root has an infinite slope at zero, and a finite value."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Linear(16, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.last((0 * self.first(x.flatten(1))).abs().sqrt())

    net = Rooted()
    before = copy.deepcopy(net)
    with pytest.raises(
        NonfiniteStepError, match=r"the loss is finite, and the norm of its gradient nan: .*'first\.bias'"
    ):
        take(net, {})
    assert all(not bool(move.any()) for move in list_moves(net, before))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-6), ("bf16", 2e-2), ("fp16", 2e-3)])
def test_the_gradient_is_that_of_float32_up_to_the_precision(precision: str, tolerance: float) -> None:
    """float16's is scaled, and scaled back; half the gradient is the control."""
    net = make_net()
    before = copy.deepcopy(net)
    state, _ = take(net, {"precision": precision})
    slopes = torch.autograd.grad(nn.functional.cross_entropy(before(IMAGES), LABELS), list(before.parameters()))
    for move, slope in zip(list_moves(net, before), slopes, strict=True):
        assert torch.allclose(move, -0.5 * slope, atol=tolerance * float(slope.abs().max()))
        assert not torch.allclose(move, -0.25 * slope, atol=tolerance * float(slope.abs().max()))
    assert (state.scaler is None) == (precision != "fp16")
    assert all(weight.dtype == torch.float32 for weight in net.parameters())


def test_a_gradient_that_float16_cannot_hold_is_passed_over() -> None:
    """The scale is halved, the step counts, and the weights stay."""
    net = make_net()
    before = copy.deepcopy(net)
    state, figures = take(net, {"precision": "fp16"}, IMAGES * 2000)
    assert not np.isfinite(figures.gradient_norm)
    assert all(not bool(move.any()) for move in list_moves(net, before))
    assert state.scaler is not None
    assert (state.scaler.get_scale(), state.step) == (2.0**15, 1)


def test_batch_normalization_of_one_image_is_explained() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    with pytest.raises(InputError, match=r"cannot train on 1 of a step's 5 images \(batch 12, accumulate 4\)"):
        take(net, {"accumulate": 4})
