"""Classes are counted as numpy counts them, and balanced draws show each as often as any other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import WeightedRandomSampler

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.census import take_census
from runtime.data.dataset import ArraySamples, iterate_targets
from runtime.data.registry import load_data
from runtime.pictures.geometry import NOT_ASKED
from runtime.tasks.registry import find_task
from tests.support.models import arrays_of, make_data

LABELS, MAPS = find_task("labels"), find_task("maps")


def test_the_training_part_is_counted_once() -> None:
    data = load_data("digit_maps")
    targets = arrays_of(data.train).targets
    assert data.census is data.census
    assert np.array_equal(data.census.counts, np.bincount(targets[targets != NOT_ASKED], minlength=11))
    assert data.census.counts.sum() < targets.size
    pairs = {(index, int(number)) for index, one in enumerate(targets) for number in np.unique(one[one != NOT_ASKED])}
    assert set(zip(data.census.owners.tolist(), data.census.classes.tolist(), strict=True)) == pairs


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_every_class_is_as_likely(labels: list[int]) -> None:
    found = take_census(labels, LABELS, 10).weigh_samples()
    shares = [found[np.array(labels) == label].sum() for label in set(labels)]
    assert shares == pytest.approx([1 / len(shares)] * len(shares))
    assert len({round(weight, 12) for weight, label in zip(found, labels, strict=True) if label == labels[0]}) == 1


def test_torchs_sampler_then_draws_classes_alike() -> None:
    """With equal weights, the control, a class has its share of the images."""
    labels = np.array([0] * 900 + [1] * 90 + [3] * 10)
    generator = torch.Generator().manual_seed(0)
    weights = take_census(labels, LABELS, 4).weigh_samples()
    drawn = WeightedRandomSampler(weights.tolist(), 30_000, generator=generator)
    assert np.bincount(labels[list(drawn)]) / 30_000 == pytest.approx([1 / 3, 1 / 3, 0, 1 / 3], abs=0.01)
    plain = WeightedRandomSampler([1.0] * 1000, 30_000, generator=generator)
    assert np.bincount(labels[list(plain)]) / 30_000 == pytest.approx([0.9, 0.09, 0, 0.01], abs=0.01)


def test_maps_are_drawn_by_the_classes_in_them() -> None:
    """By hand: class 0 is in all three, class 1 in two of them, class 2 in one; the last image asks nothing."""
    maps = [np.array(row, np.uint8) for row in ([[0, 1]], [[0, 0]], [[2, 1, 0]], [[NOT_ASKED]])]
    found = take_census(maps, MAPS, 3).weigh_samples()
    assert np.allclose(found, np.array([1 / 3 + 1 / 2, 1 / 3, 1 / 3 + 1 / 2 + 1, 0]) / 3)


def test_no_image_is_read_for_its_target() -> None:
    class Watched(ArraySamples):
        def __getitem__(self, index: int, /) -> tuple[Array, int]:
            raise AssertionError("an image was read")

    data = make_data(train=6)
    watched = replace(data, train=Watched(arrays_of(data.train).images, arrays_of(data.train).targets))
    assert watched.census.counts.tolist() == [2, 2, 2]
    pairs = [(np.zeros((1, 4, 4)), label) for label in (2, 2, 1)]
    assert list(iterate_targets(pairs)) == [2, 2, 1]


def test_what_cannot_be_counted_is_told() -> None:
    with pytest.raises(InputError, match=r"sample 1 has the class 7, and there are 3 \(0 to 2\)"):
        take_census([0, 7], LABELS, 3)
    with pytest.raises(InputError, match=r"sample 0 has the class -1"):
        take_census([-1], LABELS, 3)
    with pytest.raises(InputError, match=r"sample 0 has the class -2"):
        take_census([np.full((2, 2), -2)], MAPS, 3)
    with pytest.raises(InputError, match="the task joints has no classes that could be balanced"):
        take_census([np.zeros((2, 3))], find_task("joints"), 2)
    assert not take_census([], LABELS, 3).weigh_samples().size
