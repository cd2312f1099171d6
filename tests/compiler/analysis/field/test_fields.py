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


REDUCED: Any = {"conv": {"out": 2, "stride": 2}}
WIDE: Any = {"conv": {"out": 2, "kernel": 5, "padding": 0}}


@pytest.mark.parametrize(
    "attend",
    [
        {"key": [REDUCED], "value": [REDUCED]},
        {"key": [WIDE], "value": [WIDE]},
        {"query": [REDUCED], "key": [WIDE, WIDE], "value": [WIDE, WIDE]},
    ],
)
def test_keys_of_attention_without_distances_may_lie_anywhere(attend: Any) -> None:
    """Attention to a reduced map, as in PVT and Twins."""
    assert measure_signal([{"attend": attend}, {"add": [[], []]}]).misaligned == ()


@pytest.mark.parametrize("compared", [{"bias": "relative"}, {"bias": "continuous"}, {"causal": True}])
def test_keys_that_are_compared_by_place_lie_where_queries_do(compared: Any) -> None:
    moved = [{"roll": 3}]
    (merge,) = measure_signal([{"attend": {"key": moved, "value": moved, **compared}}]).misaligned
    assert merge.offsets == ((Fraction(0),), (Fraction(-3),), (Fraction(-3),))
    assert measure_signal([{"attend": {"query": moved, "key": moved, "value": moved, **compared}}]).misaligned == ()
