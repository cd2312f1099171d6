"""What is drawn follows from a seed, and leaves no trace in the global generators."""

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.chance import Dice, drawing_by, drawing_torch_by


def draw() -> tuple[float, float, float]:
    return torch.rand(1).item(), float(np.random.rand()), random.random()


def test_draws_follow_from_the_seed_and_leave_the_generators_as_they_were() -> None:
    torch.manual_seed(1)
    np.random.seed(2)
    random.seed(3)
    with drawing_by(7):
        first = draw()
    after = draw()
    torch.manual_seed(1)
    np.random.seed(2)
    random.seed(3)
    assert draw() == after
    with drawing_by(7):
        assert draw() == first
    with drawing_by(8):
        other = draw()
    assert not set(first) & set(other)
    with drawing_torch_by(7):
        assert draw()[0] == first[0]


def test_the_whole_seed_counts() -> None:
    seen = set()
    for seed in (0, 1, 1 << 31, 1 << 32, 1 << 62, (1 << 63) - 1):
        with drawing_by(seed):
            seen.add(draw())
    assert len({value for values in seen for value in values}) == 18


@given(st.integers(0, 2**63 - 1), st.integers(1, 1000))
def test_dice_stay_below_their_count_and_repeat(seed: int, count: int) -> None:
    dice, again = Dice(seed), Dice(seed)
    drawn = [dice.draw(count) for _ in range(20)]
    assert all(0 <= number < count for number in drawn)
    assert drawn == [again.draw(count) for _ in range(20)]


def test_dice_of_neighbouring_seeds_are_even_and_have_nothing_in_common() -> None:
    """By chi-squared: of 10,000 throws at most 37.7 with nineteen degrees of freedom (1 in 144)."""
    throws = np.array([[Dice(seed).draw(20), _second(seed)] for seed in range(10_000)])
    for column in throws.T:
        counts = np.bincount(column, minlength=20)
        assert ((counts - 500) ** 2 / 500).sum() < 37.7
    pairs = np.bincount(throws[:, 0] * 20 + throws[:, 1], minlength=400)
    assert ((pairs - 25) ** 2 / 25).sum() < 480
    assert abs(np.corrcoef(throws[:-1, 0], throws[1:, 0])[0, 1]) < 0.03


def _second(seed: int) -> int:
    dice = Dice(seed)
    dice.draw(20)
    return dice.draw(20)


def test_splitmix_gives_the_published_numbers() -> None:
    """The first outputs of SplitMix64 from the seed 1234567, by the reference program of Vigna: a throw of 2⁶⁴."""
    dice = Dice(1234567)
    assert [dice.draw(1 << 64) for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
