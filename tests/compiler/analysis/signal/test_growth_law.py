"""The law by which second moments grow, fitted to series of known laws."""

from __future__ import annotations

import math

import pytest

from archspec.ops import Shape
from compiler.analysis.signal.growth_law import fit_growth


def test_growth_says_which_law_lies_nearer() -> None:
    shape = Shape(1)
    (linear,) = fit_growth([(shape, str(i), 3.0 + 2 * i, ["few"] * (i == 4)) for i in range(9)])
    (exponential,) = fit_growth([(shape, str(i), 3.0 * 1.1**i, ()) for i in range(9)])
    assert (linear.law, exponential.law) == ("linear", "exponential")
    assert (linear.rate, exponential.rate) == pytest.approx((2, 1.1))
    assert (linear.doubts, exponential.doubts) == (("few",), ())  # of any of the second moments
    assert fit_growth([(shape, "a", 1.0, ()), (shape, "b", None, ()), (Shape(2), "c", 0.0, ())]) == ()
    seconds = [1e100] * 3 + [5e-324] + [1e100] * 3
    (steady,) = fit_growth([(shape, str(i), second, ()) for i, second in enumerate(seconds)])
    assert (steady.blocks, math.isfinite(steady.error)) == (6, True)  # what no format holds is left out
