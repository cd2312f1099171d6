"""Class-balanced sampling: how often an image is to be drawn, so that every class is drawn equally often."""

from __future__ import annotations

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.errors import InputError


def weigh_by_class(labels: Array) -> Float64Array:
    """Give the probability (N,) with which each image is drawn, for labels (N,): 1 / (classes · images of its class),
    over the classes that have images. It sums to 1, and is what torch's WeightedRandomSampler takes.

    Raises InputError where labels are not one class for each image, or there are none.
    """
    if labels.ndim != 1 or not len(labels):
        raise InputError(f"sampling: balanced needs one class for each image, found labels of shape {labels.shape}")
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights: Float64Array = (1.0 / (len(counts) * counts))[places]
    return weights
