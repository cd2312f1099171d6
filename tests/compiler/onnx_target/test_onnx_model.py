"""The bytes in which files hold numbers."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper

from compiler.onnx_target.onnx_model import as_bytes


@pytest.mark.parametrize("type", ["<f4", ">f4", "<f2", ">i8", "i1"])
def test_numbers_are_those_that_onnx_itself_would_write(type: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(type)
    for form in (array, np.asfortranarray(array), array[::-1]):
        plain = np.ascontiguousarray(form).astype(np.dtype(type).newbyteorder("="))
        assert bytes(as_bytes(form)) == numpy_helper.from_array(plain).raw_data
    assert bytes(as_bytes(array)) != bytes(as_bytes(array[::-1]))


def test_what_is_in_order_is_not_copied() -> None:
    array = np.zeros(4, np.float32)
    view = as_bytes(array)
    array[0] = 1
    assert np.frombuffer(view, np.float32)[0] == 1
