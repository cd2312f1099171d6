"""Class-balanced sampling draws every class equally often."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import WeightedRandomSampler

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.balance import weigh_by_class


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200))
def test_every_class_is_as_likely(labels: list[int]) -> None:
    found = weigh_by_class(np.array(labels))
    shares = [found[np.array(labels) == label].sum() for label in set(labels)]
    assert shares == pytest.approx([1 / len(shares)] * len(shares))
    assert len({round(weight, 12) for weight, label in zip(found, labels, strict=True) if label == labels[0]}) == 1


def test_torchs_sampler_then_draws_classes_alike() -> None:
    """With equal weights, the control, a class has its share of the images."""
    labels = np.array([0] * 900 + [1] * 90 + [2] * 10)
    generator = torch.Generator().manual_seed(0)
    drawn = WeightedRandomSampler(weigh_by_class(labels).tolist(), 30_000, generator=generator)
    assert np.bincount(labels[list(drawn)]) / 30_000 == pytest.approx([1 / 3] * 3, abs=0.01)
    plain = WeightedRandomSampler([1.0] * 1000, 30_000, generator=generator)
    assert np.bincount(labels[list(plain)]) / 30_000 == pytest.approx([0.9, 0.09, 0.01], abs=0.01)


@pytest.mark.parametrize("labels", [np.zeros((2, 2), np.int64), np.zeros(0, np.int64)])
def test_what_are_no_classes_is_refused(labels: Array) -> None:
    with pytest.raises(InputError, match="one class for each image"):
        weigh_by_class(labels)
