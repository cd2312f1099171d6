"""A recipe is checked when it is made."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import InputError
from runtime.training.recipe import Recipe


@pytest.mark.parametrize(
    "change",
    [{"epochs": 0}, {"batch": 0}, {"learning_rate": 0}, {"learning_rate": float("nan")}, {"weight_decay": -1},
     {"momentum": 1}, {"label_smoothing": -0.1}, {"warmup": 1}, {"shift": -1}, {"seed": -1}, {"threads": 0}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(change))} must be"):
        Recipe(**change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 1.5}, "a whole number, found 1.5"),
        ({"epochs": "x"}, "a whole number, found 'x'"),
        ({"batch": True}, "a whole number, found True"),
        ({"threads": 2.0}, "a whole number, found 2.0"),
        ({"learning_rate": "fast"}, "a number, found a string"),
        ({"momentum": None}, "a number, found null"),
        ({"ramp_drop": 1}, "True or False, found 1"),
    ],
)
def test_values_of_other_types_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"^{next(iter(change))} must be {words}$"):
        Recipe(**change)


@pytest.mark.parametrize(
    "change",
    [{"epochs": 1}, {"batch": 1}, {"learning_rate": 1e-9}, {"weight_decay": 0}, {"momentum": 0}, {"momentum": 0.999},
     {"label_smoothing": 0}, {"warmup": 0}, {"warmup": 0.999}, {"shift": 0}, {"seed": 0}, {"seed": 2**70},
     {"threads": 1}],
)  # fmt: skip
def test_the_ends_of_the_range_are_taken(change: dict[str, Any]) -> None:
    ((name, value),) = change.items()
    assert Recipe(**change).to_dict() == {**Recipe().to_dict(), name: value}
