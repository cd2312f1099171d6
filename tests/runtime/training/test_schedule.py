"""The learning rate rises in a straight line and falls as torch's own cosine does."""

from __future__ import annotations

import pytest
import torch

from runtime.training.schedule import learning_rate_at


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate_at(step, 100, 0.2, 0.25) for step in range(100)]
    assert max(rates) == rates[25] == 0.2
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)
    assert 0 < rates[0] < 0.01
    assert 0 < rates[-1] < 1e-4
    assert learning_rate_at(0, 10, 0.2, 0) == 0.2


@pytest.mark.parametrize("warm", [0, 4])
def test_the_rates_are_those_of_torch(warm: int) -> None:
    """Its linear warm-up and its cosine, one after the other; a warm-up of one step less is the control."""
    steps, peak = 20, 0.3
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps - warm)
    schedule: torch.optim.lr_scheduler.LRScheduler = cosine
    if warm:
        rise = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / (warm + 1), 1, warm)
        schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [rise, cosine], [warm])
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert [learning_rate_at(step, steps, peak, warm / steps) for step in range(steps)] == pytest.approx(expected)
    other = [learning_rate_at(step, steps, peak, (warm + 1) / steps) for step in range(steps)]
    assert other != pytest.approx(expected)
