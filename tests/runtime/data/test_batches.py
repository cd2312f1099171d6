"""Order and augmentation are a pure function of (seed, epoch, step)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.batches import (
    ALONE,
    EpochOrder,
    Shard,
    StepSampler,
    count_steps,
    mix_seed,
)


def list_epoch(order: EpochOrder, epoch: int) -> list[list[int]]:
    """The samples of the steps of an epoch."""
    steps = range(epoch * order.steps, (epoch + 1) * order.steps)
    return [[draw.sample for draw in order.draw(step)] for step in steps]


@pytest.mark.parametrize(("samples", "batch"), [(10, 3), (10, 10), (10, 64), (1, 1), (33, 32)])
def test_an_epoch_sees_every_sample_once_in_equal_batches(samples: int, batch: int) -> None:
    batches = list_epoch(EpochOrder(samples, batch, seed=0), 0)
    assert sorted(sample for chosen in batches for sample in chosen) == list(range(samples))
    assert len(batches) == count_steps(samples, batch)
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert max(map(len, batches)) <= batch


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    before = list_epoch(EpochOrder(50, 7, seed=3), 4)
    torch.manual_seed(99)
    assert list_epoch(EpochOrder(50, 7, seed=3), 4) == before
    found = {str(list_epoch(EpochOrder(50, 7, seed=seed), epoch)) for seed in range(3) for epoch in range(3)}
    assert len(found) == 9


def test_seeds_do_not_mix_up_their_parts() -> None:
    numbers = [(a, b, c) for a in range(5) for b in range(5) for c in range(5)]
    assert len({mix_seed(*item) for item in numbers} | {mix_seed(a, b) for a, b, _ in numbers}) == 125 + 25


@given(
    samples=st.integers(1, 60),
    batch=st.integers(1, 40),
    size=st.integers(1, 4),
    start=st.integers(0, 30),
    seed=st.integers(0, 5),
)
def test_parts_of_processes_make_up_the_step_of_one(samples: int, batch: int, size: int, start: int, seed: int) -> None:
    order = EpochOrder(samples, batch, seed)
    shards = [Shard(rank, size) for rank in range(size)]
    alone = list(StepSampler(order, ALONE, range(start, start + 4)))
    parts = [list(StepSampler(order, shard, range(start, start + 4))) for shard in shards]
    for step, whole in enumerate(alone):
        assert sorted(whole) == sorted(draw for part in parts for draw in part[step])
        lengths = [len(part[step]) for part in parts]
        assert max(lengths) - min(lengths) <= 1
        assert order.count(start + step) == len(whole)


def test_seeds_of_samples_are_all_different_and_change_with_the_epoch() -> None:
    order = EpochOrder(50, 8, seed=0)
    seeds = [draw.seed for step in range(3 * order.steps) for draw in order.draw(step)]
    assert len(set(seeds)) == 150
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_weights_say_how_often_a_sample_is_drawn() -> None:
    """Within five standard deviations; the control is uniform. A weight of zero is never drawn."""
    labels = np.array([0] * 900 + [1] * 90 + [2] * 10)
    for weights, share in ((1 / np.bincount(labels)[labels], 1 / 3), (np.ones(1000), 0.01)):
        order = EpochOrder(1000, 50, 0, weights)
        drawn = np.concatenate([order.draw_epoch(epoch)[0] for epoch in range(10)])
        found = (labels[drawn] == 2).mean()
        assert abs(found - share) < 5 * np.sqrt(share * (1 - share) / 10_000)
    weights = np.zeros(1000)
    weights[[3, 998]] = 0.1, 0.7
    assert set(EpochOrder(1000, 50, 0, weights).draw_epoch(0)[0].tolist()) == {3, 998}


def test_what_makes_no_order_is_refused() -> None:
    with pytest.raises(InputError, match="there are no training images"):
        EpochOrder(0, 1, 0)
    for weights in ([0.0, 0.0], [1.0, np.nan], [-1.0, -1.0]):
        with pytest.raises(InputError, match="the weights of samples must be finite, and some of them positive"):
            EpochOrder(2, 1, 0, np.array(weights))
    with pytest.raises(InputError, match=r"a step of 1 image cannot be shared by 2 processes \(batch 1, 3 training im"):
        EpochOrder(3, 1, 0).check(Shard(0, 2))
    EpochOrder(3, 2, 0).check(Shard(0, 1))
    with pytest.raises(InputError, match="a step of 1 image cannot"):
        EpochOrder(3, 2, 0).check(Shard(0, 2))
