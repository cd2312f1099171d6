"""The optimizer and the schedule of a recipe."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import InputError
from runtime.recipes.optimization import AdamW, Cosine, EarlyStopping, MultiStep, Muon, OneCycle, Sgd
from runtime.recipes.recipe import Recipe


def test_the_kind_goes_by_the_name() -> None:
    assert isinstance(Recipe.model_validate({"optimizer": {"name": "muon"}}).optimizer, Muon)
    assert isinstance(Recipe.model_validate({"optimizer": {"lr": 1}}).optimizer, Sgd)
    assert isinstance(Recipe.model_validate({"schedule": {"name": "one_cycle"}}).schedule, OneCycle)
    assert isinstance(Recipe.model_validate({"schedule": {"final": 0.5}}).schedule, Cosine)


def test_nesterov_needs_a_momentum() -> None:
    assert Sgd(momentum=0).nesterov is False
    assert Sgd().nesterov is True
    with pytest.raises(InputError, match=r"Sgd\(…\) has `nesterov: true`, which needs a `momentum` above 0"):
        Sgd(momentum=0, nesterov=True)


@pytest.mark.parametrize(
    ("milestones", "words"),
    [
        ([], "should have at least 1 item"),
        ([3, 2], "the milestone 2 behind 3: let them grow"),
        ([0.5, 0.5], "the milestone 0.5 behind 0.5"),
        ([0.5, 8], "in steps and as shares"),
        ([1.5], "should be a number of steps from 1 on, or below 1 a share of all steps, found 1.5"),
        ([True], "found true"),
    ],
)
def test_milestones_grow(milestones: list[Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        MultiStep(milestones=milestones)
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        (Sgd, {"lr": 0}, "`lr` of Sgd(…) should be above 0, found 0"),
        (AdamW, {"betas": [0.9]}, "`betas` of AdamW(…) should have at least 2 items"),
        (Muon, {"layer_decay": 1.1}, "`layer_decay` of Muon(…) should be at most 1, found 1.1"),
        (Cosine, {"warmup": "5"}, "`warmup` of Cosine(…) should be a number of steps"),
        (EarlyStopping, {"patience": 0}, "`patience` of EarlyStopping(…) should be at least 1, found 0"),
    ],
)
def test_what_is_out_of_range_is_refused(kind: Any, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as error:
        kind(**given)
    assert words in str(error.value)
