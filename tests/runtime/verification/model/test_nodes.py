"""What stands in a model beside its initializers is found in Constants, branches and functions."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from runtime.verification.model.nodes import (
    list_nodes,
    list_operands,
    list_tensors,
    name_node,
    read_attribute,
    read_constant,
)

HELD = numpy_helper.from_array(np.arange(3, dtype=np.float32), "held")
CONSTANT = helper.make_node("Constant", [], ["c"], name="constant", value=HELD)


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
    assert name_node(helper.make_node("Relu", ["x"], ["y"], name="r")) == "r (Relu)"
    assert name_node(helper.make_node("Relu", ["x"], ["", "y"])) == "y (Relu)"


def test_an_attribute_that_is_not_there_has_its_default() -> None:
    node = helper.make_node("Flatten", ["x"], ["y"], axis=2)
    assert (read_attribute(node, "axis", 1), read_attribute(node, "other", 1), read_attribute(node, "other")) == (
        2,
        1,
        None,
    )
