"""Nodes are found in every branch and body, and what these read from around them."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from compiler.onnx_file.nodes import count_reads, find_captured, find_graphs, walk_nodes


def branch(name: str, nodes: list[onnx.NodeProto], output: str) -> onnx.GraphProto:
    return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)])


INNER = helper.make_node("Add", ["a", "outer"], ["b"], name="inner")
DEEP = helper.make_node(
    "If",
    ["second"],
    ["c"],
    name="deep",
    then_branch=branch("then", [INNER], "b"),
    else_branch=branch("else", [helper.make_node("Neg", ["other"], ["d"], name="neg")], "d"),
)
CHOICE = helper.make_node(
    "If",
    ["first"],
    ["y"],
    name="choice",
    then_branch=branch("then", [helper.make_node("Relu", ["x"], ["a"], name="relu"), DEEP], "c"),
    else_branch=branch("else", [], "x"),
)
PLAIN = helper.make_node("Mul", ["x", "x"], ["z"], name="plain")


def test_nodes_are_walked_at_any_depth() -> None:
    assert {node.name for node in walk_nodes([CHOICE, PLAIN])} == {"choice", "relu", "deep", "inner", "neg", "plain"}
    assert {graph.name for graph in find_graphs(CHOICE)} == {"then", "else"}
    assert find_graphs(PLAIN) == []


def test_what_branches_read_is_captured() -> None:
    assert {"outer", "other", "second", "x"} <= set(find_captured(CHOICE))
    assert find_captured(PLAIN) == []


@pytest.mark.parametrize(("name", "reads"), [("x", 4), ("z", 1), ("outer", 1), ("first", 1), ("nothing", 0)])
def test_reads_are_counted(name: str, reads: int) -> None:
    """By the nodes, once for a node whose branches read it, and by the outside."""
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    echo = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    graph = helper.make_graph([CHOICE, PLAIN], "g", [], [output, echo])
    assert count_reads(graph)[name] == reads
