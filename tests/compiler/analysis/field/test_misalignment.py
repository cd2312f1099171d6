"""Which merges look at different places, and of which that is no more than a decoder's doubling."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from compiler.analysis.field.fields import Misalignment
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.documents import graph_from
from tests.support.fields import measure_signal

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


def measure_unet(decoder: list[Any], levels: int = 4) -> tuple[Misalignment, ...]:
    """The merges that look aside in a U-Net that halves by strides and doubles by repetition."""
    down = [{"conv": {"out": 2, "stride": 2}}]
    unet = {"encoder_decoder": {"n": levels, "down": down, "up": [{"upsample": 2}], "merge": "add", "decoder": decoder}}
    graph = graph_from({"archspec": 1, "inputs": {"x": [2, 64]}, "network": [unet]})
    return measure_receptive_field(graph).misaligned


@pytest.mark.parametrize("levels", [1, 2, 3, 4, 5])
def test_doubling_again_and_again_moves_by_less_than_the_coarsest_map_has(levels: int) -> None:
    """Each time by half a position: 1/2 + 1 + 2 + …, less than the stride of all levels."""
    merges = measure_unet([], levels)
    assert len(merges) == levels
    moved = [Fraction(2**level - 2**levels, 2) for level in reversed(range(levels))]
    assert [merge.offsets for merge in merges] == [((Fraction(0),), (each,)) for each in moved]
    assert {merge.grain for merge in merges} == {Fraction(2**levels)}
    assert all(merge.slight for merge in merges)


@pytest.mark.parametrize("moved", [5, 7])
def test_what_else_moves_in_a_decoder_is_told(moved: int) -> None:
    """Both ways of its residual lead through the coarsest map, which excuses nothing there."""
    aside = measure_unet([{"residual": {"body": [{"roll": moved}]}}])
    assert any(not merge.slight and merge.grain == 0 for merge in aside)
    within = measure_unet([{"residual": {"body": [{"conv": 2}]}}])
    assert all(merge.slight for merge in within)


def test_more_than_the_coarsest_map_has_is_told() -> None:
    merges = measure_unet([{"roll": 20}], 2)
    assert any(not merge.slight and merge.grain == 4 for merge in merges)
