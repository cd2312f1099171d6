"""Axes that are fixed are free ones of the model, and those without a name are written into it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.errors import InputError
from runtime.session.fixed_axes import check_fixed, find_nameless, fix_nameless
from runtime.session.model_file import ModelFile
from tests.support.models import build_double, save


@pytest.fixture
def model(tmp_path: Path) -> ModelFile:
    return ModelFile.open(save(build_double(("N", 3, None, "W")), tmp_path / "m.onnx"))


def test_free_axes_are_fixed_by_name_or_place(model: ModelFile) -> None:
    assert check_fixed(model, None) == check_fixed(model, {}) == {}
    assert check_fixed(model, {"x.0": 2, "x.2": 8}) == {"N": 2, "x.2": 8}
    for wrong in ({"x.1": 3}, {"D": 3}, {"N": 0}, {"N": True}, {"N": 2.0}, {3: 3}, [("N", 2)]):
        with pytest.raises(InputError):
            check_fixed(model, wrong)


def test_those_without_a_name_are_written_into_the_model(model: ModelFile) -> None:
    nameless = find_nameless(model, {"N": 2, "x.2": 8})
    assert nameless == {("x", 2): 8}
    fixed = onnx.load(model.path)
    fix_nameless(nameless, fixed)
    assert fixed.graph.input[0].type.tensor_type.shape.dim[2].dim_value == 8
    session = onnxruntime.InferenceSession(fixed.SerializeToString(), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.ones((1, 3, 8, 2), np.float32)})[0].shape == (1, 3, 8, 2)
    with pytest.raises(Exception, match="Got: 9 Expected: 8"):
        session.run(None, {"x": np.ones((1, 3, 9, 2), np.float32)})
