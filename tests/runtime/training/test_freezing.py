"""What is frozen stays as it is, statistics of batch normalization among it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import archspec
from archspec.errors import InputError
from runtime.recipes.recipe import Recipe
from runtime.training.freezing import freeze, match_names
from runtime.training.optimizer import build_optimizer


@pytest.fixture
def module() -> nn.Module:
    return archspec.to_torch(archspec.elaborate(archspec.load("resnet_digits")))


def test_frozen_weights_and_statistics_do_not_move(module: nn.Module) -> None:
    """A step moves all others, the control; without `hold`, the frozen statistics move too."""
    before = copy.deepcopy(module.state_dict())
    freezing = freeze(module, ["conv_0", "norm_0.*", "repeat_0.stage0"])
    optimizer = build_optimizer(module, Recipe())
    module.train()
    freezing.hold()
    module(torch.randn(4, 1, 8, 8)).square().mean().backward()
    optimizer.step()
    after = dict(module.state_dict())
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == set(before) - freezing.names
    assert "norm_0.running_mean" in freezing.names
    module.train()
    module(torch.randn(4, 1, 8, 8))
    assert not torch.equal(module.state_dict()["norm_0.running_mean"], before["norm_0.running_mean"])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a", ["a.b.weight", "a.bias"]),
        ("a.b.weight", ["a.b.weight"]),
        ("a.*", ["a.b.weight", "a.bias"]),
        ("*.weight", ["a.b.weight", "ab.weight"]),
        ("?.bias", ["a.bias"]),
        ("[ab]b.*", ["ab.weight"]),
        ("b", []),
    ],
)
def test_patterns(pattern: str, expected: list[str]) -> None:
    assert match_names(pattern, ["a.b.weight", "a.bias", "ab.weight"]) == expected


def test_a_normalization_is_still_where_all_its_weights_are_frozen() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2, affine=False))
    assert freeze(net, ["1.weight"]).still == ()
    assert freeze(net, ["1.weight", "1.bias"]).still == (net[1],)
    assert freeze(net, ["2"]).still == (net[2],)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("repeat_0.stage9", "freeze: no weight has a name like 'repeat_0.stage9'; did you mean 'repeat_0.stage"),
        ("linear", "did you mean 'linear_0'?"),
        ("zzz*", "no weight has a name like 'zzz\\*'; a name is 'conv_0.weight'"),
        ("*", "fit every weight, and leave nothing to train"),
    ],
)
def test_patterns_that_make_no_sense_are_refused(module: nn.Module, pattern: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        freeze(module, [pattern])


def test_what_was_fixed_stays_fixed() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[0].requires_grad_(False)
    assert freeze(net, []).names == frozenset()
    assert not net[0].weight.requires_grad
    assert net[1].weight.requires_grad
