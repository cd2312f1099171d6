"""How a data set's images are normalized: by its training part alone, and on every machine by the same numbers."""

from __future__ import annotations

import numpy as np
import torch

from runtime.data.dataset import Split, measure_preprocess


def test_mean_and_std_are_those_of_each_channel() -> None:
    """torch's own batch normalization is the witness: with next to no epsilon it leaves what `normalize` leaves."""
    values = np.random.default_rng(0).normal([[[1.0]], [[-3.0]]], [[[2.0]], [[0.5]]], (50, 2, 4, 6))
    preprocess = measure_preprocess(values)
    assert preprocess.shape == (2, 4, 6)
    expected = torch.nn.functional.batch_norm(torch.from_numpy(values), None, None, training=True, eps=1e-12).numpy()
    assert np.allclose(preprocess.normalize(values), expected, atol=1e-4)
    assert not np.allclose(preprocess.normalize(values[:, ::-1]), expected, atol=1e-4)


def test_the_numbers_have_six_digits() -> None:
    preprocess = measure_preprocess(np.full((2, 1, 1, 1), 1 / 3) * [[[[1]]], [[[2]]]])
    assert (preprocess.mean, preprocess.std) == ((0.5,), (0.166667,))


def test_a_split_is_as_long_as_its_labels() -> None:
    assert len(Split(np.zeros((3, 1, 2, 2), np.float32), np.arange(3))) == 3
