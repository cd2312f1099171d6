"""Paths: against enumeration, networkx, closed forms and published counts."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from math import comb, prod
from typing import Any

import networkx as nx
import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from archspec.spec.zoo import zoo_specs
from compiler.analysis.paths.counting import count_paths, find_gates
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.enumeration import convolve, enumerate_paths


def network(body: list[Any], shape: list[int], **more: Any) -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": shape}, "network": body, **more})


def fractal(columns: int) -> list[Any]:
    """FractalNet's rule: f_1 = conv; f_(C+1) = join of a convolution and f_C after f_C (Larsson et al., 2017)."""
    inner = fractal(columns - 1) if columns > 1 else []
    return [{"add": [[{"conv": 2}], [*inner, *inner]]}] if columns > 1 else [{"conv": 2}]


@pytest.mark.parametrize("blocks", [3, 4, 5, 54, 1001])
def test_k_residual_blocks_have_k_over_l_paths_of_length_l(blocks: int) -> None:
    """Prince, 2023, problem 11.2."""
    paths = count_paths(elaborate(load("residual_mlp", {"blocks": blocks})), by_length=True)
    assert paths.block.by_length == {length: comb(blocks, length) for length in range(blocks + 1)}
    assert paths.op.by_length == {2 + blocks + 2 * length: comb(blocks, length) for length in range(blocks + 1)}


def test_paths_of_54_blocks() -> None:
    """Veit et al., 2016: 2^54 paths, of mean length 27; those of length 5 to 17 are 0.45 % of them."""
    lengths = count_paths(elaborate(load("residual_mlp", {"blocks": 54}))).block.by_length
    assert lengths is not None
    assert sum(lengths.values()) == 2**54
    assert sum(length * count for length, count in lengths.items()) == 27 * 2**54
    assert sum(lengths[length] for length in range(5, 18)) / 2**54 == pytest.approx(0.0045367, rel=1e-4)


def test_f1_of_four_is_on_eight_of_sixteen_paths() -> None:
    """Prince, 2023, section 11.2: the first function occurs in eight of the sixteen paths."""
    paths = count_paths(elaborate(load("residual_mlp")))
    assert paths.op.total == 16
    assert paths.through["repeat_0.i0.residual_0"] == 8
    assert paths.through_ops is not None
    assert paths.through_ops["repeat_0.i0.residual_0.body.linear_0"] == 8
    assert paths.through_ops["linear_0"] == paths.through_ops["x"] == 16


@pytest.mark.parametrize("layers", [1, 2, 5, 12])
def test_a_dense_block_of_l_layers_has_2_to_the_l_paths(layers: int) -> None:
    graph = network([{"dense": {"n": layers, "body": [{"conv": 2}]}}], [2, 8, 8])
    paths = count_paths(graph)
    assert paths.block.total == 2**layers
    assert paths.block.by_length == {length: comb(layers, length) for length in range(layers + 1)}


@pytest.mark.parametrize(("columns", "total"), [(1, 1), (2, 2), (3, 5), (4, 26), (5, 677)])
def test_fractal_net(columns: int, total: int) -> None:
    """P(C + 1) = P(C)² + 1 of FractalNet's rule (Larsson et al., 2017, figure 1)."""
    assert count_paths(network(fractal(columns), [2, 8, 8])).op.total == total


def test_googlenet() -> None:
    """Nine inception modules of four branches (Szegedy et al., 2015, table 1)."""
    conv = {"conv": {"out": 2, "kernel": 1}}
    branches = [[conv], [conv, {"conv": 2}], [conv, {"conv": 2}], [{"conv": 2}, conv]]
    paths = count_paths(network([{"repeat": {"n": 9, "body": [{"concat": branches}]}}], [2, 8, 8]))
    assert paths.op.total == 4**9
    assert paths.block.by_length == {0: 4**9}


def test_unet_plus_plus() -> None:
    """X(0,4) is reached by 34 paths, by the recurrence of the nested skips (Zhou et al., 2018, figure 1)."""
    by_output = count_paths(elaborate(load("unet_plus_plus"))).op.by_output
    assert by_output is not None
    assert {name: level.total for name, level in by_output.items()} == {
        "mask1": 2,
        "mask2": 5,
        "mask3": 13,
        "mask4": 34,
    }


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("residual_mlp", {}),
        ("se_net", {}),
        ("resnet18", {}),
        ("unet", {}),
        ("resnet_digits", {}),
        ("unet_plus_plus", {}),
        ("highway", {"layers": 4}),
    ],
)
def test_counts_are_those_of_an_enumeration(name: str, params: dict[str, Any]) -> None:
    graph = elaborate(load(name, params))
    paths = count_paths(graph)
    found = list(enumerate_paths(graph))
    merges = {node.id: node.inputs[-1] for node in graph if node.body}
    bodies = Counter(sum(a == merges.get(b) for a, b in pairwise(path)) for path in found)
    assert paths.op.by_length == dict(sorted(Counter(len(path) - 1 for path in found).items()))
    assert paths.block.by_length == dict(sorted(bodies.items()))
    assert paths.through_ops == {node.id: sum(node.id in path for path in found) for node in graph}


@pytest.mark.parametrize("name", ["se_net", "hourglass1", "resnet18", "highway10", "resnext50_form_a"])
def test_without_an_operation_so_many_paths_fewer_are_left(name: str) -> None:
    """Deleting v leaves total - P_v · S_v; here deleted in a networkx graph."""
    graph = elaborate(load(name))
    paths = count_paths(graph)
    assert paths.through_ops is not None
    order = list(graph.nodes)
    for removed in order[:: max(1, len(order) // 12)]:
        left = nx.MultiDiGraph(graph.digraph)
        left.remove_node(removed)
        ways = {id: int(id in graph.inputs) for id in left}
        for id in nx.topological_sort(left):
            for _, reader, edge in left.out_edges(id, data=True):
                ways[reader] += ways[id] if edge["signal"] else 0
        remaining = sum(ways[id] for id in graph.outputs.values() if id in ways)
        assert remaining == paths.op.total - paths.through_ops[removed]


def test_gates_are_left_out() -> None:
    """Squeeze-and-excitation has three ways through each body, and one without its gate; a highway layer's T gates
    both branches, and two ways are left of four."""
    gated = count_paths(elaborate(load("se_net")))
    assert (gated.block.total, gated.ungated.total) == (9, 4)
    assert gated.ungated.by_length == {0: 1, 1: 2, 2: 1}
    highway = count_paths(elaborate(load("highway10")))
    assert highway.ungated.by_length == {length: comb(9, length) for length in range(10)}
    assert highway.block.total == 4**9


def test_without_gates_both_levels_are_one() -> None:
    paths = count_paths(elaborate(load("resnet50")))
    assert paths.ungated is paths.block


@pytest.mark.parametrize(
    ("factors", "left_out"),
    [
        ([[], ["sigmoid"]], {1}),
        ([["hard_sigmoid", {"scale": -1}, {"shift": 1}], []], {0}),
        ([[], ["softmax", {"scale": 2}]], {1}),
        ([["sigmoid"], ["sigmoid"]], None),
        ([[], ["tanh"]], None),
        ([[], ["sigmoid", {"conv": 2}]], None),
    ],
)
def test_what_a_gate_is(factors: list[Any], left_out: set[int] | None) -> None:
    gates = find_gates(network([{"mul": factors}], [2, 4, 4]))
    assert list(map(set, gates.values())) == ([left_out] if left_out else [])


@pytest.mark.parametrize(
    ("node", "left_out"),
    [
        ({"div": [[], ["sigmoid"], []]}, {1, 2}),
        ({"attend": {"heads": 2}}, {0, 1}),
        ({"deform_conv": {"out": 2, "offset": [{"conv": 18}], "mask": [{"conv": 9}]}}, {1, 2}),
    ],
)
def test_some_operations_have_gates_whatever_makes_them(node: dict[str, Any], left_out: set[int]) -> None:
    assert list(map(set, find_gates(network([node], [2, 4, 4])).values())) == [left_out]


def test_outputs_are_counted_apart_at_every_level() -> None:
    """facts of a stacked hourglass: 5,456 paths to the first heat map, 7,447,440 to the second."""
    paths = count_paths(elaborate(load("hourglass2")))
    for level in (paths.op, paths.block, paths.ungated):
        assert level.by_output is not None
        assert {name: own.total for name, own in level.by_output.items()} == {"heatmap0": 5456, "heatmap1": 7447440}
        sums = Counter[int]()
        for own in level.by_output.values():
            sums.update(own.by_length or {})
        assert level.by_length == dict(sorted(sums.items()))


def test_an_output_on_the_way_and_two_inputs() -> None:
    """Paths from a second input that is read late, and to an output that others are computed from."""
    document = {
        "archspec": 1,
        "inputs": {"a": [4], "b": [4]},
        "network": [
            {"residual": {"body": ["relu"]}},
            {"output": "early"},
            {"add": [[], [{"from": "b"}]]},
            {"residual": {"body": ["relu"]}},
            {"output": "late"},
        ],
    }
    paths = count_paths(graph_from(document))
    assert paths.block.by_output is not None
    assert paths.block.by_output["early"].by_length == {0: 1, 1: 1}
    assert paths.block.by_output["late"].by_length == {0: 2, 1: 3, 2: 1}


def test_preresnet1001_and_densenet201_are_exact() -> None:
    """333 bottlenecks (He et al., 2016); 6 + 12 + 48 + 32 dense layers (Huang et al., 2017)."""
    deep = count_paths(elaborate(load("preresnet1001")), by_length=True)
    assert deep.block.by_length == {length: comb(333, length) for length in range(334)}
    dense = count_paths(elaborate(load("densenet201")), by_length=True)
    assert dense.block.by_length == {length: comb(98, length) for length in range(99)}
    assert dense.op.total == 2**98


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_levels_agree_over_the_zoo(name: str) -> None:
    paths = count_paths(elaborate(load(name)))
    for level in (paths.op, paths.block, paths.ungated):
        assert level.by_length is not None
        assert sum(level.by_length.values()) == level.total
    assert paths.op.total == paths.block.total >= paths.ungated.total
    assert paths.to_dict().keys() == {"op", "block", "ungated"}


def test_a_graph_that_cannot_be_cut_is_counted_too() -> None:
    """A skip around everything: the segments' product is that of the whole."""
    body = [{"add": [[], [{"repeat": {"n": 30, "body": [{"add": [[], ["relu"]]}]}}]]}]
    paths = count_paths(network(body, [4]))
    assert paths.op.total == 2**30 + 1
    lengths = {length: comb(30, length - 31) for length in range(31, 62)}
    assert paths.op.by_length == {1: 1, **lengths}


def test_many_are_counted_by_length_only_when_asked_for_and_too_many_never(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = elaborate(load("residual_mlp", {"blocks": 60}))
    monkeypatch.setattr("compiler.analysis.paths.counting.MAX_UNASKED_BITS", 5_000)
    left_out = count_paths(graph)
    assert left_out.op.by_length is None
    assert left_out.through_ops is None
    assert left_out.op.total == 2**60
    assert count_paths(graph, by_length=False).block.by_length is None
    assert count_paths(graph, by_length=True).block.by_length is not None
    monkeypatch.setattr("compiler.analysis.paths.counting.MAX_BITS", 5_000)
    with pytest.raises(ArchspecError, match="too many paths to count them by length: their number has 61 binary"):
        count_paths(graph, by_length=True)


def test_the_product_of_segments_is_what_multiplying_them_out_gives() -> None:
    """Stages of different blocks: Π of their polynomials at op level, written out here."""
    body = [
        {
            "repeat": {
                "each": {"n": [1, 2, 3]},
                "body": [{"residual": {"body": [{"repeat": {"n": "n", "body": ["relu"]}}]}}],
            }
        }
    ]
    lengths = count_paths(network(body, [4])).op.by_length
    expected = [1]
    for n in (1, 2, 3):
        expected = convolve(expected, [0, 1, *[0] * (n - 1), 1])
    assert lengths == {length: count for length, count in enumerate(expected) if count}
    assert sum(expected) == prod([2, 2, 2])
