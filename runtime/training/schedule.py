"""The learning rate as a pure function of the step, for each schedule of a recipe: torch's own, step by step."""

from __future__ import annotations

import math
from bisect import bisect_right

from archspec.errors import InputError
from runtime.recipes.optimization import ConstantRate, Cosine, MultiStep, OneCycle, PolynomialRate, Schedule


def learning_rate_at(step: int, steps: int, schedule: Schedule, lr: float) -> float:
    """Give the learning rate of a step, counted from 0, of all `steps`; `lr` is the highest one.

    A warm-up of w steps is a straight line from lr / (w + 1), which reaches `lr` at step w; what comes after it is
    counted from there. With several groups of weights, each has this times its own factor.
    """
    if isinstance(schedule, OneCycle):
        return lr * _rise_and_fall(step, steps, schedule)
    warm = count_steps_of(schedule.warmup, steps)
    if step < warm:
        return lr * (step + 1) / (warm + 1)
    return lr * _fall(step, steps, warm, schedule)


def count_steps_of(part: float, steps: int) -> int:
    """Count the steps that a recipe says as a number of steps, or below 1 as a share of all `steps`, which is rounded
    and leaves out the last one."""
    return min(round(part * steps), steps - 1) if part < 1 else int(part)


def check_schedule(schedule: Schedule, steps: int) -> None:
    """Raises InputError where a warm-up or a milestone that is written in steps does not end before the last of all
    `steps`: what is written would never happen."""
    written = {} if isinstance(schedule, OneCycle) else {"warmup": [schedule.warmup]}
    if isinstance(schedule, MultiStep):
        written["milestones"] = list(schedule.milestones)
    for name, parts in written.items():
        for part in parts:
            if part >= steps:
                raise InputError(
                    f"schedule.{name}: step {part:,} is not before the end, since {steps:,} steps are taken; "
                    "write a share of all steps, below 1, which fits any number of them"
                )


def _fall(step: int, steps: int, warm: int, schedule: Cosine | MultiStep | PolynomialRate | ConstantRate) -> float:
    """The factor of the highest rate behind the warm-up."""
    done = (step - warm) / (steps - warm)
    match schedule:
        case Cosine(final=final):
            return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * done))
        case MultiStep(milestones=milestones, gamma=gamma):
            passed = bisect_right([count_steps_of(part, steps) for part in milestones], step)
            return math.pow(gamma, passed)
        case PolynomialRate(power=power):
            return math.pow(1 - done, power)
        case ConstantRate():
            return 1.0


def _rise_and_fall(step: int, steps: int, schedule: OneCycle) -> float:
    """The factor of the highest rate on half a cosine up and another one down, whose ends are steps, as torch's are."""
    first, top, last = 1 / schedule.div_factor, schedule.pct_start * steps - 1, steps - 1
    if step < top:
        return _blend(first, 1.0, step / top)
    return _blend(1.0, first / schedule.final_div_factor, (step - top) / (last - top))


def _blend(start: float, end: float, done: float) -> float:
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * done))
