"""The tree behind `show` and `diff`, and the blocks of a picture, hold each node once, whatever nodes are called."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from compiler.analysis.compare.diff import diff_graphs
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.outline import Branch, fold_tree
from compiler.draw.blocks import fold_blocks
from compiler.graph import Graph
from tests.differential.graphs import count_collisions, make_graph

FEW = range(60)
MANY = range(60, 3000)


def walk(branch: Branch, times: int = 1) -> Iterator[tuple[Branch, int]]:
    for child in branch.children:
        yield child, times * child.times
        yield from walk(child, times * child.times)


def hold_against_the_graph(graph: Graph) -> None:
    """The witness: the sums over the nodes, counted one by one."""
    tree, costs = fold_tree(graph), measure_cost(graph)
    macs = costs.macs["conv-linear"]
    assert (tree.parameters, tree.macs, tree.activations) == (costs.parameters, macs, costs.activations)
    leaves = [(leaf, times) for leaf, times in walk(tree) if not leaf.children]
    assert sorted(id for leaf, _ in leaves for id in leaf.ids) == sorted(graph.nodes)
    assert all(len(leaf.ids) == times for leaf, times in leaves)
    assert sum(leaf.parameters * times for leaf, times in leaves) == costs.parameters
    assert sum(leaf.macs * times for leaf, times in leaves) == macs
    assert sorted(fold_blocks(graph).nodes) == sorted(graph.nodes)
    assert diff_graphs(graph, graph).equal


@pytest.mark.parametrize("seed", FEW)
def test_the_totals_of_the_tree_are_those_of_the_graph(seed: int) -> None:
    hold_against_the_graph(make_graph(Random(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("start", range(MANY.start, MANY.stop, 100))
def test_the_totals_of_many_trees_are_those_of_their_graphs(start: int) -> None:
    for seed in range(start, min(start + 100, MANY.stop)):
        print("seed", seed)
        hold_against_the_graph(make_graph(Random(seed), most=8 + seed % 40))


def test_ids_collide_in_these_graphs() -> None:
    """The control: a tree that keeps one of node and scope would lose some."""
    assert sum(count_collisions(make_graph(Random(seed))) > 2 for seed in FEW) > len(FEW) // 2
