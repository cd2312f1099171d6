"""The learning rate of each step is that of torch's own schedulers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from archspec.errors import InputError
from runtime.recipes.optimization import ConstantRate, Cosine, MultiStep, OneCycle, PolynomialRate, Schedule
from runtime.training.schedule import check_schedule, count_steps_of, learning_rate_at

STEPS, PEAK = 24, 0.3
Maker: TypeAlias = Callable[[torch.optim.Optimizer], LRScheduler]


def step_through(make: Maker, steps: int = STEPS) -> list[float]:
    """The rates that a scheduler of torch gives, step by step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    schedule = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
    return found


def after_warmup(warm: int, make: Maker) -> Maker:
    """A scheduler behind torch's linear warm-up of `warm` steps."""

    def build(optimizer: torch.optim.Optimizer) -> LRScheduler:
        rise = lr_scheduler.LinearLR(optimizer, 1 / (warm + 1), 1, warm)
        return lr_scheduler.SequentialLR(optimizer, [rise, make(optimizer)], [warm])

    return build if warm else make


def ours(schedule: Schedule, steps: int = STEPS) -> list[float]:
    return [learning_rate_at(step, steps, schedule, PEAK) for step in range(steps)]


def one_cycle(optimizer: torch.optim.Optimizer) -> LRScheduler:
    return lr_scheduler.OneCycleLR(
        optimizer, PEAK, STEPS, pct_start=0.4, div_factor=10.0, final_div_factor=50.0, cycle_momentum=False
    )


CASES: list[tuple[Schedule, Maker, Schedule]] = [
    (ConstantRate(name="constant"), lambda o: lr_scheduler.ConstantLR(o, 1.0), Cosine()),
    (ConstantRate(name="constant", warmup=6), after_warmup(6, lambda o: lr_scheduler.ConstantLR(o, 1.0)),
     ConstantRate(name="constant", warmup=5)),
    (Cosine(warmup=0.0), lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS), Cosine(warmup=1)),
    (Cosine(warmup=6, final=0.1), after_warmup(6, lambda o: lr_scheduler.CosineAnnealingLR(o, 18, 0.1 * PEAK)),
     Cosine(warmup=6, final=0.11)),
    (Cosine(warmup=0.25), after_warmup(6, lambda o: lr_scheduler.CosineAnnealingLR(o, 18)), Cosine(warmup=0.3)),
    (MultiStep(name="step", milestones=[8, 20], gamma=0.2), lambda o: lr_scheduler.MultiStepLR(o, [8, 20], 0.2),
     MultiStep(name="step", milestones=[8, 21], gamma=0.2)),
    (MultiStep(name="step", milestones=[0.5, 0.75], warmup=4),
     after_warmup(4, lambda o: lr_scheduler.MultiStepLR(o, [8, 14])),
     MultiStep(name="step", milestones=[0.5, 0.75], warmup=3)),
    (PolynomialRate(name="polynomial"), lambda o: lr_scheduler.PolynomialLR(o, STEPS, 0.9),
     PolynomialRate(name="polynomial", power=0.91)),
    (PolynomialRate(name="polynomial", power=2.0, warmup=6),
     after_warmup(6, lambda o: lr_scheduler.PolynomialLR(o, 18, 2.0)),
     PolynomialRate(name="polynomial", power=2.0, warmup=7)),
    (OneCycle(name="one_cycle", pct_start=0.4, div_factor=10.0, final_div_factor=50.0), one_cycle,
     OneCycle(name="one_cycle", pct_start=0.4, div_factor=10.0, final_div_factor=51.0)),
]  # fmt: skip
"""A schedule, torch's own for it, and a nearly equal one as the control."""


@pytest.mark.parametrize(("schedule", "make", "other"), CASES, ids=lambda value: getattr(value, "name", ""))
def test_the_rates_are_those_of_torch(schedule: Schedule, make: Maker, other: Schedule) -> None:
    expected = step_through(make)
    assert ours(schedule) == pytest.approx(expected, rel=1e-9)
    assert ours(other) != pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("steps", [2, 3, 7, 100])
def test_one_cycle_is_torchs_at_any_length(steps: int) -> None:
    expected = step_through(lambda o: lr_scheduler.OneCycleLR(o, PEAK, steps, cycle_momentum=False), steps)
    assert ours(OneCycle(name="one_cycle"), steps) == pytest.approx(expected, rel=1e-9)


def test_a_single_step_has_the_highest_rate_or_less() -> None:
    for schedule, _, _ in CASES:
        assert 0 < learning_rate_at(0, 1, schedule, PEAK) <= PEAK


def test_the_highest_rate_is_reached_behind_the_warm_up() -> None:
    rates = [learning_rate_at(step, 100, Cosine(warmup=0.25), 0.2) for step in range(100)]
    assert max(rates) == rates[25] == 0.2
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert 0 < rates[0] < 0.01
    assert 0 < rates[-1] < 1e-4


def test_shares_are_rounded_to_steps() -> None:
    assert [count_steps_of(part, 10) for part in (0.0, 0.24, 0.26, 0.99, 1, 7)] == [0, 2, 3, 9, 1, 7]


@pytest.mark.parametrize(
    ("schedule", "steps", "where"),
    [
        (MultiStep(name="step", milestones=[3, 10]), 10, "schedule.milestones: step 10 is not before the end"),
        (Cosine(warmup=12), 10, "schedule.warmup: step 12 is not before the end, since 10 steps are taken"),
    ],
)
def test_what_would_never_happen_is_refused(schedule: Schedule, steps: int, where: str) -> None:
    with pytest.raises(InputError, match=where):
        check_schedule(schedule, steps)
    check_schedule(schedule, 10 * steps)
