"""Sizes that expressions read: their values, what is fixed by them, in networks as blocks too, and what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.ops import OpError
from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.sizes.accepted_sizes import accepted_sizes
from tests.archspec.spec.texts import mistakes_in, write

HEAD = "archspec: 1\ninputs: {x: [3, H, W]}\nsizes: {H: 8, W: 12}\n"


def graph_in(folder: Path, network: str, head: str = HEAD, **sizes: int) -> Graph:
    return elaborate(load(write(folder, f"{head}network: {network}\n")), sizes)


def test_a_size_that_is_read_is_fixed_and_the_others_are_not(tmp_path: Path) -> None:
    graph = graph_in(tmp_path, "[slice: {axis: 1, stop: H // 2}]")
    assert (graph.sizes, graph.fixed_sizes) == ({"W": 12}, {"H": 8})
    assert graph["slice_0"].shape == (3, 4, 12)
    assert graph.notes == (f"H is 8, and not dynamic: an expression reads it at {tmp_path / 'spec.yaml'}:4:34",)
    assert {name: str(rule) for name, rule in accepted_sizes(graph).items()} == {"W": "any from 1"}
    with pytest.raises(OpError, match="no dynamic size H"):
        graph.resize({"H": 16})


def test_another_value_makes_another_network(tmp_path: Path) -> None:
    graph = graph_in(tmp_path, "[slice: {axis: 1, stop: H // 2}]", H=20)
    assert graph["slice_0"].shape == (3, 10, 12)
    assert graph.fixed_sizes == {"H": 20}


def test_sizes_that_nothing_reads_stay_dynamic(tmp_path: Path) -> None:
    graph = graph_in(tmp_path, "[conv: 4, slice: {axis: 1, stop: 2}]")
    assert (graph.sizes, graph.fixed_sizes, graph.notes) == ({"H": 8, "W": 12}, {}, ())


def test_learned_positions_are_as_many_as_the_sizes_make(tmp_path: Path) -> None:
    network = "[conv: {out: 6, kernel: 4, stride: 4, padding: 0}, tokens, add: [[], [learned: [6, H // 4 * (W // 4)]]]]"
    graph = graph_in(tmp_path, network, W=16)
    assert graph["add_0.add"].shape == (6, 8)
    assert (graph.sizes, graph.fixed_sizes) == ({}, {"H": 8, "W": 16})


def test_what_must_be_the_same_at_every_size_may_follow_a_fixed_one(tmp_path: Path) -> None:
    split = "[split: {taps: [a, b], axis: 1, sizes: [H // 2, H - H // 2]}, from: a]"
    assert graph_in(tmp_path, split)["split_0.a"].shape == (3, 4, 12)
    (mistake,) = mistakes_in(write(tmp_path, f"{HEAD}network: {split.replace('H // 2, H - H // 2', '4, 4')}\n"))
    assert "needs a fixed extent along axis 1" in mistake.message


def test_a_param_of_the_name_comes_first(tmp_path: Path) -> None:
    graph = graph_in(tmp_path, "[slice: {axis: 1, stop: H}]", f"{HEAD}params: {{H: 3}}\n")
    assert graph["slice_0"].shape == (3, 3, 12)
    assert graph.sizes == {"H": 8, "W": 12}


def test_a_block_is_handed_a_size_and_sees_none(tmp_path: Path) -> None:
    head = HEAD + "blocks: {half: {args: {extent: int}, body: [slice: {axis: 1, stop: extent // 2}]}}\n"
    graph = graph_in(tmp_path, "[half: {extent: H}]", head)
    assert (graph["half_0.slice_0"].shape, graph.fixed_sizes) == ((3, 4, 12), {"H": 8})
    (mistake,) = mistakes_in(write(tmp_path, head.replace("extent // 2", "H // 2") + "network: [half: {extent: 2}]\n"))
    assert (
        mistake.message
        == "unknown name 'H'; there is extent, in_channels; a block is handed a size of the network as an argument"
    )


def test_a_loop_and_a_choice_may_depend_on_a_size(tmp_path: Path) -> None:
    graph = graph_in(tmp_path, "[repeat: {n: H // 4, body: [conv: 2]}, when: {test: W > 10, then: [relu]}]")
    assert [node.op.kind for node in graph] == ["input", "conv", "conv", "relu"]
    assert graph.fixed_sizes == {"H": 8, "W": 12}


@pytest.mark.parametrize(
    ("before", "fixed"),
    [("", {"E": 16}), ("conv: {out: 3, stride: 2}, ", {"E": 16}), ("adaptive_avg_pool: [4, 4], ", {})],
)
def test_the_fixed_size_of_a_network_as_block_fixes_what_its_extent_follows(
    tmp_path: Path, before: str, fixed: dict[str, int]
) -> None:
    write(tmp_path, f"{HEAD}network: [slice: {{axis: 1, stop: H // 2}}]\n", "inner.yaml")
    head = "archspec: 1\ninputs: {a: [3, E, F]}\nsizes: {E: 16, F: 8}\nblocks: {half: {network: inner}}\n"
    graph = graph_in(tmp_path, f"[{before}half]", head)
    assert graph.fixed_sizes == fixed
    assert graph["half_0.slice_0"].shape[1] == graph[graph["half_0.slice_0"].inputs[0]].shape[1] // 2
    assert graph.sizes == {name: size for name, size in {"E": 16, "F": 8}.items() if name not in fixed}


def test_no_sizes_are_proposed_where_one_is_read(tmp_path: Path) -> None:
    """What fits beside another value of a size that expressions read is another network."""
    (mistake,) = mistakes_in(write(tmp_path, f"{HEAD}network: [add: [[], [learned: [3, H // 2, W]]]]\n"))
    assert mistake.message == "add needs equal shapes, found 3×8×12 and 3×4×12"
