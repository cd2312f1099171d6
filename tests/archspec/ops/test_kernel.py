"""What layers with a kernel store, and what training keeps of kernels that are made of it."""

from __future__ import annotations

import pytest

from archspec.ops import Conv, Linear, Shape
from archspec.ops.values import Saved

X = Shape(8, 9, 7)
KERNEL = 6 * 8 * 9


def test_weight_normalization_stores_a_length_for_each_output() -> None:
    op = Conv(out=6, weight_norm=True, bias=False)
    assert {name: weight.shape for name, weight in op.weights(X).items()} == {"weight": (6, 8, 3, 3), "length": (6,)}
    assert op.saved_for_backward(X, batch=2, needs=(True,)) == Saved((0,), values=KERNEL, full=KERNEL + 6)
    assert not op.stores_kernel
    assert Linear(out=6).stores_kernel


def test_standardization_stores_a_kernel_and_keeps_its_statistics() -> None:
    op = Conv(out=6, standardize=True, bias=False)
    assert {name: weight.shape for name, weight in op.weights(X).items()} == {"weight": (6, 8, 3, 3)}
    assert op.saved_for_backward(X, batch=2, needs=(True,)) == Saved((0,), values=KERNEL, full=2 * 6)
    with_lengths = op.model_copy(update={"weight_norm": True})
    assert with_lengths.saved_for_backward(X, batch=2, needs=(True,)) == Saved((0,), values=KERNEL, full=3 * 6)


def test_a_standardized_kernel_has_variance_one_or_that_of_its_length() -> None:
    plain, given = (Conv(out=6, standardize=True, weight_norm=lengths).draw(X) for lengths in (False, True))
    assert plain.variance == pytest.approx(1, rel=1e-3)
    assert given.variance == pytest.approx(2 / 72, rel=1e-3)
    assert Conv(out=6, standardize=True, init="zeros").draw(X).variance == 0


def test_an_old_digest_is_kept() -> None:
    assert not {"standardize", "eps"} & Conv(out=6).identity.keys()
    assert Conv(out=6, standardize=True).identity["standardize"] is True
