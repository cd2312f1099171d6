"""Weights of positions around a place, against torch's."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch.nn import functional as F

from archspec.ops.sampling import OVERSHOOT, AxisSampling, Mode, _list_weights, _mean_square
from archspec.ops.signal.axis import Axis


@pytest.mark.parametrize("share", [0.0, 0.125, 0.5, 0.75])
def test_cubic_weights_are_torchs(share: float) -> None:
    """Far from its ends a map that is one at one position has the kernel's weights around it."""
    steps = 8
    for i, weight in enumerate(_list_weights("cubic", share)):
        x = torch.zeros(1, 1, 8, 1)
        x[0, 0, 2 + i] = 1
        grown = F.interpolate(x, (1 + 7 * steps, 1), mode="bicubic", align_corners=True)
        assert grown[0, 0, int((3 + share) * steps), 0] == pytest.approx(weight, abs=1e-6)


def test_no_cubic_weights_have_larger_magnitudes() -> None:
    sums = [sum(map(abs, _list_weights("cubic", i / 1000))) for i in range(1000)]
    assert max(sums) == pytest.approx(OVERSHOOT)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize(("old", "new"), [(1, 5), (4, 8), (5, 7), (9, 4)])
def test_mean_square_is_that_of_torchs_weights(mode: Mode, old: int, new: int) -> None:
    eye = torch.eye(old)[:, None, :, None]
    kind = {"linear": "bilinear", "cubic": "bicubic"}[mode]
    weights = F.interpolate(eye, (new, 1), mode=kind, align_corners=False)
    found = _mean_square(AxisSampling.make(mode, "half", old, new))
    assert found == pytest.approx(float(weights.square().sum(0).mean()), rel=1e-4)


def test_long_axes_are_told_from_their_middle() -> None:
    short, long = (AxisSampling.make("linear", "half", size, 3 * size, Fraction(3)) for size in (300, 100_000))
    assert short.square == pytest.approx(long.square, rel=1e-2)


def test_spread_follows_the_positions_that_are_repeated() -> None:
    axis = Axis(4, (0.0, 2.0, 2.0, 0.0))
    mean, found = AxisSampling.make("nearest", "half", 4, 6).gather(axis)
    assert mean == pytest.approx(1.0)
    assert [value > 0 for value in found.values] == [False, False, True, True, True, False]
    assert AxisSampling.make("nearest", "half", 4, 8).gather(axis) == (1.0, axis.repeat(2))
