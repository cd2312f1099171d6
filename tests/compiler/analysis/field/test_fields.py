"""Fields and misaligned merges, as they are told."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from archspec.api import elaborate, load
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.fields import measure_signal


def test_a_merge_that_looks_at_different_places_is_named() -> None:
    """A 3×3 convolution at stride 2 looks at every other position, a mean of pairs half a position further."""
    pool: Any = {"avg_pool": 2}
    body = [{"conv": {"out": 2, "stride": 2}}]
    (merge,) = measure_signal([{"residual": {"body": body, "shortcut": [pool]}}]).misaligned
    assert merge.offsets == ((Fraction(0),), (Fraction(-1, 2),))
    assert merge.strides == ((Fraction(2),), (Fraction(2),))
    even = [{"conv": {"out": 2, "kernel": 2, "stride": 2, "padding": 0}}]
    assert measure_signal([{"residual": {"body": even, "shortcut": [pool]}}]).misaligned == ()


@pytest.mark.parametrize("name", ["unet", "hourglass2", "resnet50", "densenet121", "mobilenet_v2"])
def test_networks_of_the_zoo_are_aligned(name: str) -> None:
    assert measure_receptive_field(elaborate(load(name))).misaligned == ()
