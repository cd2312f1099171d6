"""One spec with every scaling, normalization and initialization."""

from __future__ import annotations

import json
import math

import pytest

from archspec.api import load
from archspec.errors import InputError
from archspec.ops import NORMALIZATIONS
from compiler.analysis.signal.choice_effects import CHOICES, ChoiceEffect, compare_choices


def by_word(name: str, what: str, **params: int) -> dict[str, ChoiceEffect]:
    return {choice.word: choice for choice in compare_choices(load(name, params), what)}


def test_scalings_obey_their_laws() -> None:
    """Section 11.3 of Prince (2023): values double, or stay; 1/√L leads to (1 + 1/L)^L. The first and the last layer
    double once each."""
    choices = by_word("residual_mlp", "scaling", blocks=20)
    finals = {word: choice.final for word, choice in choices.items()}
    expected = {"none": 2.0**20, "sqrt_half": 1, "skip_init": 1, "stable": 1.05**20, "fixup": 1}
    assert finals == pytest.approx({word: 4 * growth for word, growth in expected.items()})
    gradients = {word: choice.gradient for word, choice in choices.items()}
    back = {"none": 2.0**19, "sqrt_half": 1, "skip_init": 1, "stable": 1.05**19, "fixup": 1}
    assert gradients == pytest.approx(back)


def test_where_fp16_overflows_depends_on_the_choice() -> None:
    choices = by_word("residual_mlp", "scaling", blocks=40)
    assert choices["none"].overflow is not None
    assert {choices[word].overflow for word in ("sqrt_half", "skip_init", "stable", "fixup")} == {None}


def test_normalizations_that_cannot_be_had_say_why() -> None:
    choices = by_word("mlp", "norm")
    assert choices.keys() == {"none", "weight", *NORMALIZATIONS}
    assert choices["group"].problem == "groups: 32 does not divide the 20 channels; 4 does"
    assert choices["instance"].problem is not None
    assert "spatial axes" in choices["instance"].problem
    assert choices["none"].final == pytest.approx(choices["weight"].final)
    assert choices["batch"].final == pytest.approx(1, rel=1e-3)


def test_initializations_differ_by_their_gains() -> None:
    """Ten layers of one width behind the first: He's keep the second moment, torch's own take a sixth each time."""
    choices = by_word("mlp", "init")
    assert choices.keys() == set(CHOICES["init"])
    assert choices["he"].final == pytest.approx(2)
    assert choices["zeros"].final == 0
    assert choices["zeros"].gradient == 0
    assert choices["torch"].final is not None
    assert choices["torch"].final < 0.1
    assert choices["he"].largest == pytest.approx(2)


def test_rows_are_json() -> None:
    rows = [choice.to_dict() for choice in compare_choices(load("residual_mlp", {"blocks": 400}), "scaling")]
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert rows[0]["final"] is None
    assert math.isfinite(rows[1]["final"])


@pytest.mark.parametrize(
    ("name", "what", "message"),
    [
        ("densenet_figure_11_9", "scaling", "nothing in densenet_figure_11_9 depends on the default scaling"),
        ("residual_mlp", "scalings", "did you mean 'scaling'"),
        ("residual_mlp", "colour", "choose of"),
    ],
)
def test_what_depends_on_nothing_is_refused(name: str, what: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compare_choices(load(name), what)
