"""What is chosen by timing is the fastest, unless it is hardly faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from runtime.recipes.recipe import Recipe
from runtime.training import timing
from runtime.training.timing import TIMED, UNTIMED, choose_by_timing, list_choices

OPEN = Recipe(precision="auto", memory_format="auto")
CONV, LINEAR = nn.Conv2d(4, 4, 3), nn.Linear(4, 4)


def test_what_is_open_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "read_instructions", lambda: ("avx512",))
    both = [(kind, layout) for kind in ("fp32", "bf16") for layout in ("contiguous", "channels_last")]
    assert list_choices(OPEN, CONV) == both
    assert list_choices(OPEN, LINEAR) == [("fp32", "contiguous"), ("bf16", "contiguous")]
    assert list_choices(Recipe(precision="auto"), CONV) == [("fp32", "contiguous"), ("bf16", "contiguous")]
    assert list_choices(Recipe(precision="fp16", memory_format="auto"), CONV)[0] == ("fp16", "contiguous")


def test_channels_last_are_never_tried_where_torch_is_not_safe_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "read_instructions", lambda: ("avx2",))
    assert {layout for _, layout in list_choices(OPEN, CONV)} == {"contiguous"}


@pytest.mark.parametrize(("bf16", "expected"), [(0.5, "bf16"), (0.94, "bf16"), (0.96, "fp32"), (2.0, "fp32")])
def test_the_plain_choice_stays_unless_another_is_worth_it(
    bf16: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock of ours: the first step of each is not timed, however long it takes."""
    now, steps = [0.0], list[tuple[str, Any]]()

    def make_step(module: nn.Module, recipe: Recipe) -> Callable[[Any], None]:
        assert module is not LINEAR
        own = iter([100.0, *[bf16 if recipe.precision == "bf16" else 1.0] * TIMED])

        def step(batch: Any) -> None:
            steps.append((recipe.precision, batch))
            now[0] += next(own)

        return step

    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    batches: list[Any] = [1, 2]
    recipe, timed = choose_by_timing(Recipe(precision="auto"), LINEAR, batches, make_step)
    assert (recipe.precision, recipe.memory_format) == (expected, "contiguous")
    assert [choice.seconds for choice in timed] == [1.0, pytest.approx(bf16)]
    assert str(timed[0]) == "fp32, contiguous: 1000 ms"
    assert len(steps) == 2 * (UNTIMED + TIMED)
    assert torch.is_grad_enabled()
