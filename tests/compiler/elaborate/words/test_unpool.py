"""The way back from a pooling, read off the graph."""

from __future__ import annotations

import pytest

from archspec.ops import OpError
from compiler.sizes.accepted_sizes import accepted_sizes
from tests.archspec.spec.texts import HEAD, graph_of, mistakes_of

SIZED = "archspec: 1\ninputs: {x: [3, H, W], y: [2, 5, W]}\nsizes: {H: 9, W: 12}\n"


def test_unpooling_reads_what_was_pooled() -> None:
    """At every size, also one that the pooling does not divide."""
    graph = graph_of(
        SIZED + "network: [conv: 4, {max_pool: {kernel: 2, ceil: true}}, tap: p, conv: 4, max_unpool: p]\n"
    )
    node = graph["max_unpool_0"]
    assert node.inputs == ("conv_1", "conv_0")
    assert node.data_inputs == ("conv_1",)
    assert node.op.chosen == {"ceil": True}
    assert graph.resize({"W": 21, "H": 5})["max_unpool_0"].shape == (4, 5, 21)


def test_sizes_that_fit_follow_the_pooling() -> None:
    """What is between the pooling and the way back may change the extents, and come back to them at some sizes."""
    between = "{conv: {out: 3, stride: 2}}, upsample: 2"
    graph = graph_of(SIZED.replace("9", "12") + f"network: [max_pool, tap: p, {between}, max_unpool: p]\n")
    rule = accepted_sizes(graph)["H"]
    assert [value for value in range(2, 20) if value in rule] == [4, 8, 12, 16]
    assert graph.resize({"H": 13})["max_unpool_0"].shape == (3, 13, 12)
    with pytest.raises(OpError, match="max_unpool needs the shape of what it undoes, 3×7×6, found 3×8×6"):
        graph.resize({"H": 14})


@pytest.mark.parametrize(
    ("network", "message", "column"),
    [
        ("[max_pool, tap: p, relu, max_unpool: q]", "unknown tap 'q'", 47),
        ("[relu, tap: p, max_unpool: p]", "max_unpool undoes a max pooling, and 'relu_0' is relu; put `tap` b", 37),
        ("[max_unpool: x]", "max_unpool undoes a max pooling, and 'x' is input; put `tap` behind", 23),
        ("[{max_pool: {kernel: 3, stride: 2}}, tap: p, max_unpool: p]", "max_unpool undoes a pooling whose w", 67),
        ("[max_pool, tap: p, conv: 8, max_unpool: p]", "max_unpool needs the shape of what it undoes, 4×4×4, f", 50),
        ("[max_pool, tap: p, max_unpool: {like: p, kernel: 2}]", "unknown field 'kernel' of max_unpool", 51),
        ("[max_pool, tap: p, max_unpool]", "max_unpool needs `like`", 29),
    ],
)
def test_mistakes_of_unpooling(network: str, message: str, column: int) -> None:
    (mistake,) = mistakes_of(f"{HEAD}network: {network}\n")
    assert (mistake.message[: len(message)], mistake.place.column) == (message, column)
