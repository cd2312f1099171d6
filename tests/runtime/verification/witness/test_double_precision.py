"""A node is computed again in double precision, where its own type has no numbers, and only where it is known right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper

from archspec.errors import ArchspecError
from runtime.verification.witness.double_precision import compute_wide

HALF = np.array([300, -2, 0], np.float16)


def compute(node: NodeProto, found: dict[str, Any], work: int = 1, **operands: Any) -> dict[str, Any]:
    graph = helper.make_graph([node], "g", [], [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return compute_wide(model, node, operands, found, work)


def test_what_overflows_has_numbers_in_double_precision() -> None:
    square = helper.make_node("Mul", ["x", "x"], ["y"])
    large = np.array([1e30, -2, 0], np.float32)
    with np.errstate(over="ignore"):
        own = large * large
    assert np.isinf(own[0])
    found = compute(square, {"y": own}, x=large)["y"]
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, large.astype(np.float64) ** 2)


def test_half_precision_is_what_a_runtime_makes_of_it_before_it_rounds() -> None:
    square = helper.make_node("Mul", ["x", "x"], ["y"])
    assert compute(square, {"y": HALF.astype(np.float32) ** 2}, x=HALF)["y"].tolist() == [90_000, 4, 0]


def test_what_is_infinite_by_definition_stays_so() -> None:
    log = helper.make_node("Log", ["x"], ["y"])
    given = HALF.astype(np.float32)
    with np.errstate(all="ignore"):
        own = np.log(given)
    found = compute(log, {"y": own}, x=given)["y"]
    np.testing.assert_array_equal(np.isfinite(found), [True, False, False])


def test_numbers_that_the_reference_does_not_have_are_no_witness() -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ArchspecError, match="gives something else for 'y' in the file's own type too"):
        compute(relu, {"y": np.array([1, 2, 3], np.float16)}, x=HALF)
    with pytest.raises(ArchspecError, match="gives something else for 'y'"):
        compute(relu, {"y": np.zeros(2, np.float16)}, x=HALF)
    assert compute(relu, {"y": np.maximum(HALF, 0)}, x=HALF)["y"].tolist() == [300, 0, 0]


def test_a_cast_rounds_as_it_says() -> None:
    cast = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT16)
    wide = np.array([1e5, 1], np.float32)
    with np.errstate(over="ignore"):
        own = wide.astype(np.float16)
    assert compute(cast, {"y": own}, x=wide)["y"].tolist() == [1e5, 1]


def test_too_much_work_is_not_begun() -> None:
    with pytest.raises(ArchspecError, match="too large, with the work of 1,000,000,000,000"):
        compute(helper.make_node("Relu", ["x"], ["y"]), {}, 10**12, x=HALF)
