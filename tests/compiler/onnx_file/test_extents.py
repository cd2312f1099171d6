"""Extents as files declare them: fixed, free by name, free without one, or not at all."""

from __future__ import annotations

import onnx
import pytest
from onnx import TensorProto, helper

from compiler.onnx_file.extents import is_fixed, list_inputs, list_outputs, name_axes, read_extents
from tests.support.models import build_double, build_model


def declare(shape: list[int | str | None] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)


@pytest.mark.parametrize(
    ("shape", "declared", "named"),
    [
        ([2, 3], (2, 3), (2, 3)),
        (["N", 3], ("N", 3), ("N", 3)),
        ([None, "?", 0], (None, "?", 0), ("x.0", "x.1", 0)),
        ([-1, 3], (None, 3), ("x.0", 3)),  # to ONNX Runtime an extent that is free
        ([], (), ()),
    ],
)
def test_extents_are_read_and_named(
    shape: list[int | str | None], declared: tuple[object, ...], named: tuple[object, ...]
) -> None:
    found = read_extents(declare(shape))
    assert found == declared
    assert name_axes("x", found or ()) == named
    assert [is_fixed(dim) for dim in declare(shape).type.tensor_type.shape.dim] == [isinstance(x, int) for x in named]


def test_no_shape_is_not_the_shape_of_a_number() -> None:
    assert read_extents(declare(None)) is None
    assert read_extents(declare([])) == ()


def test_what_is_stored_is_not_fed() -> None:
    model = build_double(("N", 3, None, 8))
    assert list_inputs(model.graph) == {"x": ("N", 3, "x.2", 8)}
    assert list_outputs(model.graph) == {"y": ("N", 3, "y.2", 8)}
    model.graph.initializer.add(name="x", data_type=TensorProto.FLOAT, dims=[1])
    assert list_inputs(model.graph) == {}
    silent = build_model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["N"]}, {"y": ["N"]})
    silent.graph.output[0].type.tensor_type.ClearField("shape")
    assert list_outputs(silent.graph) == {"y": None}
