"""The digits are all there, split once and for all."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from runtime.data.dataset import Dataset
from runtime.data.registry import load_data


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits")


def test_shapes_and_classes(digits: Dataset) -> None:
    assert digits.training.images.shape == (1437, 1, 8, 8)
    assert digits.held_out.images.shape == (360, 1, 8, 8)
    assert digits.training.images.dtype == np.float32
    assert digits.training.labels.dtype == np.int64
    assert digits.classes == tuple("0123456789")
    assert digits.preprocess.shape == (1, 8, 8)


def test_every_digit_is_in_one_part_alone(digits: Dataset) -> None:
    """Restored to 17 shades, the two parts together are scikit-learn's own digits, each as often as there."""
    parts = [np.rint(digits.preprocess.restore(part.images) * 16) for part in (digits.training, digits.held_out)]
    labels = np.concatenate([digits.training.labels, digits.held_out.labels])
    found = sorted((*row.ravel(), label) for row, label in zip(np.concatenate(parts), labels, strict=True))
    witness = load_digits()
    assert found == sorted((*row, label) for row, label in zip(witness.data, witness.target, strict=True))


def test_the_split_is_stratified_and_fixed(digits: Dataset) -> None:
    shares = np.bincount(digits.held_out.labels) / np.bincount(
        np.concatenate([digits.training.labels, digits.held_out.labels])
    )
    assert np.all(np.abs(shares - 0.2) < 0.01)
    assert digits.held_out.labels[:20].tolist() == [7, 6, 3, 7, 7, 3, 2, 8, 9, 3, 2, 6, 6, 4, 5, 8, 1, 3, 5, 6]
    assert np.array_equal(load_data("digits").held_out.images, digits.held_out.images)


def test_the_training_part_alone_is_normalized(digits: Dataset) -> None:
    assert abs(digits.training.images.mean()) < 1e-5
    assert abs(digits.training.images.std() - 1) < 1e-5
    assert abs(digits.held_out.images.mean()) > 1e-4
