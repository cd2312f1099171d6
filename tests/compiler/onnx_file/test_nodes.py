"""Nodes and tensors are found in every branch, body and function, and what these read from around them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compiler.onnx_file.nodes import (
    count_reads,
    describe_node,
    find_captured,
    find_graphs,
    list_nodes,
    list_operands,
    list_tensors,
    read_as_written,
    read_attribute,
    read_constant,
    read_opset,
    walk_nodes,
)


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
HELD = numpy_helper.from_array(np.arange(3, dtype=np.float32), "held")
CONSTANT = helper.make_node("Constant", [], ["c"], name="constant", value=HELD)
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


@pytest.mark.parametrize(
    ("attributes", "numbers"),
    [
        ({"value": HELD}, np.arange(3, dtype=np.float32)),
        ({"value_float": 2.5}, np.float32(2.5)),
        ({"value_ints": [3, 4]}, np.array([3, 4], np.int64)),
        ({"value_string": "text"}, None),
    ],
)
def test_constants_are_read(attributes: dict[str, object], numbers: np.ndarray | None) -> None:
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    found = dict(read_constant(node))
    if numbers is None:
        assert found == {}
        return
    np.testing.assert_array_equal(numpy_helper.to_array(found["c"]), numbers)
    assert numpy_helper.to_array(found["c"]).dtype == numbers.dtype
    node.op_type = "Other"
    assert dict(read_constant(node)) == {}


def test_nodes_and_tensors_are_found_in_branches_and_functions() -> None:
    output = helper.make_tensor_value_info("d", TensorProto.FLOAT, None)
    stored = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    then = helper.make_graph([helper.make_node("Add", ["x", "w"], ["d"], name="add")], "then", [], [output], [stored])
    other = helper.make_graph([CONSTANT, helper.make_node("Add", ["x", "c"], ["d"])], "else", [], [output])
    choice = helper.make_node("If", ["which"], ["y"], name="choice", then_branch=then, else_branch=other)
    inner = helper.make_node("Relu", ["a"], ["b"], name="inner")
    function = helper.make_function("own", "Twice", ["a"], ["b"], [inner], [helper.make_opsetid("", 17)])
    model = helper.make_model(helper.make_graph([choice], "g", [], []), functions=[function])
    assert {"choice", "add", "constant", "inner"} <= {node.name for node in list_nodes(model)}
    assert {name for name, _ in list_tensors(model)} == {"c", "choice.w"}
    assert {"which", "x"} <= set(list_operands(choice))
    assert list_operands(helper.make_node("Clip", ["x", "", "x"], ["y"])) == ["x"]


def test_a_node_is_called_by_its_name_or_its_result() -> None:
    assert describe_node(helper.make_node("Relu", ["x"], ["y"], name="r")) == "r (Relu)"
    assert describe_node(helper.make_node("Relu", ["x"], ["", "y"])) == "y (Relu)"


def test_an_attribute_that_is_not_there_has_its_default() -> None:
    node = helper.make_node("Flatten", ["x"], ["y"], axis=2)
    assert (read_attribute(node, "axis", 1), read_attribute(node, "other", 1), read_attribute(node, "other")) == (
        2,
        1,
        None,
    )


def test_a_number_in_single_precision_is_read_as_it_was_written() -> None:
    node = helper.make_node("Elu", ["x"], ["y"], alpha=0.1)
    assert read_as_written(node.attribute[0]) == 0.1
    assert read_attribute(node, "alpha") == float(np.float32(0.1)) != 0.1  # the control
    assert read_as_written(helper.make_attribute("axis", 2)) == 2


@pytest.mark.parametrize(
    ("imports", "opset"),
    [([("", 17)], 17), ([("com.microsoft", 3), ("ai.onnx", 13)], 13), ([("com.microsoft", 3)], 1), ([], 1)],
)
def test_the_opset_is_that_of_onnxs_own_domain(imports: list[tuple[str, int]], opset: int) -> None:
    model = onnx.ModelProto(opset_import=[helper.make_opsetid(*item) for item in imports])
    assert read_opset(model) == opset
