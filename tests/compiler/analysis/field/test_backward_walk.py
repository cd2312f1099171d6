"""What positions really see, back through gaps, borders and gates: against the gradient; and the narrowest path."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from archspec.ops import (
    Span,
)
from compiler.analysis.field import backward_walk, positions
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.documents import graph_from
from tests.support.fields import look, measure_middle, measure_signal, only_field


def dilated(out: int, dilation: int, **fields: Any) -> dict[str, Any]:
    return {"conv": {"out": out, "dilation": dilation, **fields}}


@pytest.mark.parametrize(
    ("network", "shape", "clipped", "seen"),
    [
        ([dilated(1, 18)], (1, 33, 33), (16, 16), 1),  # eight of nine taps lie in the padding
        ([dilated(1, 6), dilated(1, 12)], (1, 33, 33), (4, 28), 25),
        ([dilated(1, 8), dilated(1, 30)], (1, 65, 65), (2, 62), 49),
        ([{"conv": {"out": 1, "kernel": 1, "stride": 3, "padding": 1}}, {"instance_norm": {}}], (1, 11), (2, 8), 3),
        ([{"conv": {"out": 1, "kernel": 1, "stride": 4, "padding": 1}}, {"group_norm": 1}], (1, 28), (3, 27), 7),
    ],
)
def test_taps_in_the_padding_see_nothing(network: Any, shape: tuple[int, ...], clipped: Span, seen: int) -> None:
    field = measure_middle(network, *shape)
    graph = graph_from({"archspec": 1, "inputs": {"x": list(shape)}, "network": network})
    (torchs,) = look(graph, field.field.node, [[(extent - 1) // 2 for extent in graph[field.field.node].shape.space]])
    assert field.clipped == (clipped,) * (len(shape) - 1) == tuple(torchs["x"])
    assert field.seen == seen


def test_rates_as_in_deeplab() -> None:
    """Four strides of 2, then rates of 6, 12 and 18: at 257 the last ones reach beyond the map of 17 positions."""
    rates: list[Any] = [[{"conv": {"out": 2, "kernel": 1}}], *[[dilated(2, rate)] for rate in (6, 12, 18)]]
    halve: Any = {"conv": {"out": 2, "stride": 2}}
    for size, seen in ((257, (17, 239)), (513, (49, 463))):
        field = measure_middle([*[halve] * 4, {"concat": rates}], 1, size)
        assert field.field.size == (15 * 2 + 1 + 16 * 36,)
        assert field.clipped == (seen,)


def test_gaps_of_a_transposed_convolution_under_a_dilated_kernel() -> None:
    """Every other position holds the bias alone, and taps three apart see one of two kinds each."""
    widen: Any = {"conv_transpose": {"out": 2, "kernel": 1, "stride": 2, "output_padding": 1}}
    assert measure_middle([widen, dilated(3, 3, kernel=2, padding=0)], 2, 34).field.size == (1,)
    assert measure_middle([widen, dilated(3, 4, kernel=2, padding=0)], 2, 34).field.size == (3,)


def test_a_position_that_sees_nothing() -> None:
    field = measure_middle([{"conv_transpose": {"out": 2, "kernel": 1, "stride": 2}}], 2, 4)
    assert (field.clipped, field.seen, field.field.size) == ((), 0, (1,))
    assert not field.has_gaps


def test_a_gate_sees_no_more_than_the_input() -> None:
    gate: Any = {"mul": [[], ["global_avg_pool", {"conv": {"out": 2, "kernel": 1}}]]}
    field = measure_middle([{"conv": {"out": 2, "kernel": 15}}, gate, {"conv": {"out": 2, "kernel": 15}}], 2, 40)
    assert (field.field.size, field.field.local, field.clipped) == ((40,), (29,), ((0, 39),))


def test_what_overlaps_in_too_many_ways_is_counted_at_most() -> None:
    """57 boxes of 41 positions along each of three axes: counting what lies in each choice of them would take hours."""
    dilated = [[{"conv": {"out": 1, "kernel": 41, "dilation": rate}}] for rate in range(7, 64)]
    seen = []
    for branches, extents in (dilated, [3000] * 3), (dilated, [3000]), (dilated[:4], [3000] * 3):
        graph = graph_from({"archspec": 1, "inputs": {"x": [1, *extents]}, "network": [{"concat": branches}]})
        ((found,),) = measure_receptive_field(graph).outputs.values()
        seen.append((found.seen, [*found.marks]))
    places = {rate * tap for rate in range(7, 64) for tap in range(-20, 21)}
    assert seen[1] == (len(places), [])
    assert seen[0] == (len(places) ** 3, ["seen"])
    assert seen[2] == (
        len({place for rate in range(7, 11) for place in product(range(-20 * rate, 21 * rate, rate), repeat=3)}),
        [],
    )


def test_what_is_too_ragged_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "MAX_RUNS", 4)
    field = measure_middle([dilated(1, 3), dilated(1, 9)], 1, 99)
    assert {key: mark.kind for key, mark in field.marks.items()} == {"clipped": "at most", "seen": "at most"}
    assert field.clipped == ((0, 98),)


def test_narrowest_path_of_a_residual_block() -> None:
    field = only_field(measure_signal([{"conv": 2}, {"residual": {"body": [{"conv": 2}, {"conv": 2}]}}]))
    assert (field.field.size, field.narrowest) == ((7,), (3,))


def test_too_many_phases_have_no_narrowest_path() -> None:
    found = only_field(measure_signal([{"upsample": backward_walk.MAX_PHASES + 1}, {"conv": 2}], 2))
    assert (found.field.size, found.narrowest) == ((2,), (None,))
