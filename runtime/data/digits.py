"""Handwritten digits that lie inside scikit-learn: nothing is fetched."""

from __future__ import annotations

import numpy as np

from archspec.extras import extra
from runtime.data.dataset import ArraySamples, Dataset, measure_preprocess

SPLIT_SEED, TEST_FRACTION = 0, 0.2
"""The seed by which the digits are split, and the part of them that is held out."""


def load_digits() -> Dataset:
    """Read 1,797 handwritten digits of 8×8 pixels in 17 shades (UCI, inside scikit-learn): 1,437 to train, 360 held
    out."""
    with extra("train"):
        from sklearn.datasets import load_digits as read_digits
        from sklearn.model_selection import train_test_split

    digits = read_digits()
    values = digits.images[:, None] / 16
    labels = digits.target.astype(np.int64)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_FRACTION, stratify=labels, random_state=SPLIT_SEED
    )
    preprocess = measure_preprocess(values[train])
    images = values.astype(np.float32)
    return Dataset(
        name="digits",
        train=ArraySamples(images[train], labels[train]),
        test=ArraySamples(images[test], labels[test]),
        classes=tuple(map(str, digits.target_names)),
        preprocess=preprocess,
    )
