"""Operations to which another value lends its extents, read off the graph."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of
from tests.support.listing import listed

SIZED = "archspec: 1\ninputs: {x: [3, H, W], y: [2, 5, W]}\nsizes: {H: 9, W: 12}\n"


def test_value_gets_the_extents_of_the_named_one() -> None:
    rows = listed("[tap: skip, conv: {out: 4, stride: 3}, resize: {like: skip, mode: linear}]")
    assert rows[-1] == "resize_0 = resize(conv_0, x) 4×8×8"


def test_inputs_lend_their_extents_too() -> None:
    graph = graph_of(SIZED + "network: [resize: y]\n")
    assert graph["resize_0"].inputs == ("x", "y")
    assert graph["resize_0"].data_inputs == ("x",)
    assert graph.resize({"W": 20})["resize_0"].shape == (3, 5, 20)


def test_resize_that_does_nothing_at_any_size_is_left_out() -> None:
    assert "resize_0" not in graph_of(SIZED + "network: [tap: a, relu, resize: a]\n").nodes
    stays = graph_of(
        SIZED + "network: [tap: a, {max_pool: {kernel: 3, stride: 1, padding: 1}}, upsample: 2, resize: a]\n"
    )
    assert "resize_0" in stays.nodes


def test_defaults_say_how() -> None:
    graph = graph_of(
        HEAD + "defaults: {resize: {mode: linear, corners: aligned}}\nnetwork: [tap: a, max_pool, resize: a]\n"
    )
    assert graph["resize_0"].op.chosen == {"mode": "linear", "corners": "aligned"}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("[tap: skip, max_pool, resize: skp]", "unknown tap 'skp'; did you mean 'skip'?"),
        ("[tap: a, global_avg_pool, flatten, resize: a]", "resize needs one to three spatial axes"),
        ("[tap: a, max_pool, resize: {like: a, corners: aligned}]", "corners: aligned is for mode: linear and cubic"),
    ],
)
def test_mistakes_are_told_where_they_are(network: str, message: str) -> None:
    (mistake,) = mistakes_of(f"{HEAD}network: {network}\n")
    assert mistake.message.startswith(message)
