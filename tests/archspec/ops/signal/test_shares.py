"""The shares of a softmax, against shares that were drawn."""

from __future__ import annotations

import pytest
import torch

from archspec.ops.signal.shares import share


@pytest.mark.parametrize("count", [1, 2, 5, 40, 1000])
@pytest.mark.parametrize("variance", [0.0, 0.2, 1.0, 4.0])
def test_shares_are_those_of_drawn_scores(count: int, variance: float) -> None:
    torch.manual_seed(0)
    shares = (torch.randn(20_000, count) * variance**0.5).softmax(dim=1)
    given = torch.randn(20_000, count)
    slopes = shares * (given - (shares * given).sum(dim=1, keepdim=True))
    found = share(count, variance)
    assert found.squares == pytest.approx(float(shares.square().sum(dim=1).mean()), rel=0.05)
    assert found.slopes == pytest.approx(float(slopes.square().sum(dim=1).mean()), rel=0.1, abs=1e-6)
    if variance > 0 and count > 1:  # the control: other scores have others
        assert share(count, 2 * variance).squares != pytest.approx(found.squares, rel=0.05)


def test_extremes_are_those_of_equal_and_of_single_shares() -> None:
    assert share(100, 0.0).squares == pytest.approx(1 / 100)
    assert share(100, 0.0).slopes == pytest.approx(1 / 100 * (1 - 1 / 100))
    assert 0.8 < share(100, 400.0).squares < 1.0
