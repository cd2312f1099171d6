"""Branches of one value, read off the graph."""

from __future__ import annotations

import pytest

from tests.archspec.spec.texts import HEAD, graph_of
from tests.support.listing import listed


def test_what_is_cut_may_change_with_the_size() -> None:
    """The input of 8 is the smaller at 12, and the larger at 6; at 8 nothing is cut, and the crops are there."""
    text = (
        "archspec: 1\ninputs: {x: [2, H], y: [2, 8]}\nsizes: {H: 8}\n"
        "network: [concat: {branches: [[], [from: y]], fit: crop}]\n"
    )
    graph = graph_of(text)
    for size, extent in ((12, 8), (8, 8), (6, 6)):
        assert graph_of(text, sizes={"H": size}).digest() == graph.resize({"H": size}).digest()
        assert graph.resize({"H": size})["concat_0.concat"].shape == (4, extent)


@pytest.mark.parametrize(
    ("word", "network", "shape"),
    [
        ("add", "[add: [[], [conv: 4], [relu]]]", "4×8×8"),
        ("concat", "[concat: [[], [conv: 5], [relu]]]", "13×8×8"),
        ("mul", "[mul: [[], [global_avg_pool], [conv: 1]]]", "4×8×8"),
    ],
)
def test_branches_of_one_value_are_merged(word: str, network: str, shape: str) -> None:
    *branches, merged = listed(network)
    assert [row.split("(")[1].split(")")[0] for row in branches] == ["x", "x"]
    names = [row.partition(" = ")[0] for row in branches]
    assert merged == f"{word}_0.{word} = {word}(x, {', '.join(names)}) {shape}"
    assert [name.split(".")[1] for name in names] == ["branch1", "branch2"]


def test_one_branch_needs_no_merging() -> None:
    assert listed("[add: [[relu]], concat: [[]], tanh]") == [
        "add_0.branch0.relu_0 = relu(x) 4×8×8",
        "tanh_0 = tanh(add_0.branch0.relu_0) 4×8×8",
    ]


def test_branches_written_with_a_missing_body_are_the_identity() -> None:
    assert listed("\n  - add:\n    -\n    - [relu]\n")[-1] == "add_0.add = add(x, add_0.branch1.relu_0) 4×8×8"


def test_loop_of_branches_starts_each_from_the_same_value() -> None:
    graph = graph_of(HEAD + "network: [concat: {each: {k: [1, 3]}, as: b, body: [conv: {out: b + 1, kernel: k}]}]\n")
    assert [(node.id, node.inputs, str(node.shape)) for node in graph][1:] == [
        ("concat_0.b0.conv_0", ("x",), "1×8×8"),
        ("concat_0.b1.conv_0", ("x",), "2×8×8"),
        ("concat_0.concat", ("concat_0.b0.conv_0", "concat_0.b1.conv_0"), "3×8×8"),
    ]


def test_loop_of_branches_is_the_list_of_them() -> None:
    looped = graph_of(HEAD + "network: [add: {n: 3, body: [conv: 4]}]\n")
    listed = graph_of(HEAD + "network: [add: [[conv: 4], [conv: 4], [conv: 4]]]\n")
    assert [(node.op, node.shape) for node in looped] == [(node.op, node.shape) for node in listed]
