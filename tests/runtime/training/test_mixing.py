"""Mixup and cutmix, against torchvision's for the same shares, partners and centres."""

from __future__ import annotations

import copy
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from archspec.errors import InputError
from runtime.data.batches import mix_seed
from runtime.data.fetching import Batch
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.objective import LossSection, MixSection
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import OutputGrid
from runtime.tasks.registry import TASKS
from runtime.training.mixing import Mix, apply_mix, draw_mix, mix_batch
from runtime.training.objective import Objective
from runtime.training.optimizer import build_optimizer
from runtime.training.ranks import Ranks
from runtime.training.state import TrainState
from runtime.training.step import MIXING, StepTaker, StepTask
from runtime.training.train import train
from tests.support.models import make_data
from tests.support.torchvision_models import import_torchvision_models

LABELS = torch.tensor([0, 2, 1, 2, 0])
MIXUP, CUTMIX = MixSection(mixup=0.4), MixSection(cutmix=1.0)


@pytest.fixture(scope="module")
def v2() -> Any:
    import_torchvision_models()
    return import_module("torchvision.transforms.v2")


def draw_images(*extents: int) -> Tensor:
    return torch.randn((5, 3, *extents), generator=torch.Generator().manual_seed(0))


def test_mixup_is_torchvisions(v2: Any) -> None:
    """Its partners are those before in the batch; the other order is the control."""
    images, witness = draw_images(7, 9), v2.MixUp(num_classes=3)
    params = {"labels": LABELS, "batch_size": 5, "lam": 0.3}
    wanted = [witness.transform(item, params) for item in (images, LABELS)]
    found = apply_mix(Mix(0.3, np.roll(np.arange(5), 1)), images, LABELS, 3)
    assert all(torch.allclose(mine, theirs) for mine, theirs in zip(found, wanted, strict=True))
    other = apply_mix(Mix(0.3, np.roll(np.arange(5), -1)), images, LABELS, 3)
    assert not any(torch.allclose(mine, theirs) for mine, theirs in zip(other, wanted, strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_cutmix_is_torchvisions(v2: Any, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What numpy's generator draws in this order is what torchvision is given for its draws."""
    images, generator = draw_images(7, 9), np.random.default_rng(seed)
    share, partners = generator.beta(1.0, 1.0), generator.permutation(5)
    row, column = generator.integers(7), generator.integers(9)
    witness = v2.CutMix(num_classes=3)
    centres = iter([torch.tensor([column]), torch.tensor([row])])
    monkeypatch.setattr(torch, "randint", lambda *bounds, size: next(centres))
    monkeypatch.setattr(witness._dist, "sample", lambda shape: torch.tensor(share))
    params = witness.make_params([images])
    mix = draw_mix(CUTMIX, 5, (7, 9), seed)
    assert mix is not None
    assert mix.box is not None
    assert np.array_equal(mix.partners, partners)
    rows, columns = mix.box
    assert (columns.start, rows.start, columns.stop, rows.stop) == params["box"]
    assert mix.own == pytest.approx(params["lam_adjusted"])
    found = apply_mix(Mix(mix.own, np.roll(np.arange(5), 1), mix.box), images, LABELS, 3)
    params |= {"labels": LABELS, "batch_size": 5}
    for mine, theirs in zip(found, (witness.transform(item, params) for item in (images, LABELS)), strict=True):
        assert torch.allclose(mine, theirs)


@given(seed=st.integers(0, 10_000), extents=st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_a_label_says_how_much_of_the_image_is_its(seed: int, extents: list[int]) -> None:
    """Image i is i everywhere, so that its pixels say whose they are, in one, two and three dimensions."""
    whole = torch.arange(5.0).view(-1, *[1] * (len(extents) + 1)).expand(-1, 1, *extents)
    images = whole.clone()
    for settings in (MIXUP, CUTMIX):
        mixed, shares = mix_batch(images, torch.arange(5), 5, settings, seed)
        expected = shares @ torch.arange(5.0)
        assert torch.allclose(mixed.flatten(1).mean(1), expected, atol=1e-4)
        assert torch.allclose(shares.sum(1), torch.ones(5))
        assert torch.equal(images, whole), "it was mixed in place"


def test_the_same_seed_mixes_the_same() -> None:
    images = draw_images(6, 6)
    for settings in (MIXUP, CUTMIX, MixSection(mixup=0.2, cutmix=1.0)):
        first, again, other = (mix_batch(images, LABELS, 3, settings, seed)[0] for seed in (4, 4, 5))
        assert torch.equal(first, again)
        assert not torch.equal(first, other)
    assert mix_batch(images, LABELS, 3, MixSection(), 4) == (images, LABELS)


def test_both_ways_are_as_likely() -> None:
    mixes = [draw_mix(MixSection(mixup=0.2, cutmix=1.0), 5, (6, 6), seed) for seed in range(400)]
    boxes = sum(mix is not None and mix.box is not None for mix in mixes)
    assert 160 < boxes < 240
    alone = [draw_mix(CUTMIX, 5, (6, 6), seed) for seed in range(400)]
    assert all(mix is not None and mix.box is not None for mix in alone)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_step_mixes_each_of_its_parts(accumulate: int) -> None:
    """The witness mixes by hand, by the seed of the part, and has torch's cross-entropy with class weights; without
    mixing, the control, the loss is another."""
    torch.manual_seed(0)
    module, images = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3)), draw_images(4, 4)
    before = copy.deepcopy(module)
    loss = LossSection(class_weights=[1.0, 2.0, 4.0])
    recipe = Recipe(mix=MIXUP, accumulate=accumulate, loss=loss)
    weights = torch.tensor([1.0, 2.0, 4.0])

    def take(recipe: Recipe) -> float:
        objective = Objective(TASKS["labels"], {"output": OutputGrid((), ())}, loss, 3)
        state = TrainState(module, build_optimizer(module, recipe))
        task = StepTask(recipe, Preprocess(3, (4, 4), (0.0,) * 3, (1.0,) * 3))
        taker = StepTaker(state, module, objective, task, Ranks())
        return taker.take(Batch(images, LABELS, torch.arange(5)), 0.0, lambda part: 7 + part, measured=False).loss

    total = 0.0
    parts = zip(images.tensor_split(accumulate), LABELS.tensor_split(accumulate), strict=True)
    for number, (part, labels) in enumerate(parts):
        mixed, shares = mix_batch(part, labels, 3, MIXUP, mix_seed(7 + number, MIXING))
        total += F.cross_entropy(before(mixed), shares, weights, reduction="sum").item()
    assert take(recipe) == pytest.approx(total / weights[LABELS].sum().item(), rel=1e-5)
    assert take(recipe.model_copy(update={"mix": MixSection()})) != pytest.approx(take(recipe), rel=1e-3)


def test_a_training_that_cannot_mix_does_not_begin() -> None:
    data = replace(make_data(), task="joints")
    recipe = Recipe(mix=MIXUP)
    with pytest.raises(InputError, match=r"`mix\.mixup` is for labels, not for joints"):
        train(torch.nn.Linear(1, 1), data, recipe, grids={"output": OutputGrid((4, 4), (4, 4))})
