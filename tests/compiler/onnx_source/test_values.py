"""Values whose axes stand in another order, and the one number of a constant."""

from __future__ import annotations

import numpy as np

from compiler.onnx_source.values import Constant, FileValue


def test_the_shape_in_the_graphs_order_is_the_transposition() -> None:
    array = np.empty((2, 5, 7, 3))
    value = FileValue("x", array.shape, (0, 2, 3, 1))  # channels last in the file
    assert value.ordered == array.transpose(np.argsort(value.order)).shape == (2, 3, 5, 7)
    assert not value.straight
    assert FileValue("x", (2, 3), (0, 1)).straight


def test_only_what_holds_one_known_number_has_it() -> None:
    assert Constant("c", (1, 1), np.array([[2.5]])).number == 2.5
    assert Constant("c", (2,), np.array([1.0, 2.0])).number is None
    assert Constant("c", (1,)).number is None


def test_types_that_are_trained() -> None:
    found = [
        type
        for type in ("float16", "bfloat16", "float8e4m3fn", "int8", "bool")
        if Constant("c", (), None, type).floating
    ]
    assert found == ["float16", "bfloat16", "float8e4m3fn"]
