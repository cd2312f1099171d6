"""Order and augmentation are a pure function of (seed, epoch, step)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from runtime.data.batches import count_steps, iterate_batches, mix_seed, shift_images


@pytest.mark.parametrize(("samples", "batch"), [(10, 3), (10, 10), (10, 64), (1, 1), (33, 32)])
def test_an_epoch_sees_every_sample_once_in_equal_batches(samples: int, batch: int) -> None:
    batches = list(iterate_batches(samples, batch, seed=0, epoch=0))
    assert sorted(torch.cat(batches).tolist()) == list(range(samples))
    assert len(batches) == count_steps(samples, batch)
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    assert max(map(len, batches)) <= batch


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        return torch.cat(list(iterate_batches(50, 7, seed, epoch))).tolist()

    before = order(3, 4)
    torch.manual_seed(99)
    assert order(3, 4) == before
    assert len({tuple(order(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_seeds_do_not_mix_up_their_parts() -> None:
    numbers = [(a, b, c) for a in range(5) for b in range(5) for c in range(5)]
    assert len({mix_seed(*item) for item in numbers} | {mix_seed(a, b) for a, b, _ in numbers}) == 125 + 25


def test_a_shift_is_one_of_the_nine_and_all_nine_occur() -> None:
    images = np.random.default_rng(0).standard_normal((200, 2, 5, 6)).astype(np.float32)
    blank = [7.0, -7.0]
    found = shift_images(torch.from_numpy(images), 1, blank, seed=5)
    assert torch.equal(found, shift_images(torch.from_numpy(images), 1, blank, seed=5))
    assert not torch.equal(found, shift_images(torch.from_numpy(images), 1, blank, seed=6))
    canvas = np.stack(
        [np.pad(images[:, c], ((0, 0), (1, 1), (1, 1)), constant_values=blank[c]) for c in (0, 1)], axis=1
    )
    seen = set()
    for before, after in zip(canvas, found.numpy(), strict=True):
        moves = [(y, x) for y in range(3) for x in range(3) if np.array_equal(before[:, y : y + 5, x : x + 6], after)]
        assert len(moves) == 1
        seen.add(moves[0])
    assert len(seen) == 9


def test_no_shift_leaves_images_alone() -> None:
    images = torch.randn(3, 1, 4, 4)
    assert shift_images(images, 0, [0.0], seed=1) is images
