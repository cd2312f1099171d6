"""A file is read without the numbers of its large weights, and what is left of it is what onnx reads."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from archspec.errors import ArchspecError
from compiler.onnx_file.skim import (
    MAX_INLINE,
    count_bytes,
    list_metadata,
    mentions,
    read_metadata,
    skim_model,
    skip_numbers,
)
from tests.support.models import build_linear

WEIGHT = np.ones((50, 64), np.float32)
BIAS = np.arange(50, dtype=np.float32)
SAID = {"archspec.name": "n", "licence": "ä"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(build_linear(WEIGHT, BIAS, metadata=SAID), path)
    return path


def test_all_but_large_numbers_is_what_onnx_reads(path: Path) -> None:
    assert WEIGHT.nbytes > MAX_INLINE > BIAS.nbytes
    whole = onnx.load(path)
    for read in (skim_model, skip_numbers):
        found = read(path)
        large, small = found.graph.initializer
        assert (list(large.dims), large.data_type, large.HasField("raw_data")) == ([50, 64], TensorProto.FLOAT, False)
        np.testing.assert_array_equal(numpy_helper.to_array(small), BIAS)
        rest = deepcopy(whole)
        rest.graph.initializer[0].ClearField("raw_data")
        assert found == rest
        assert found != whole


def test_metadata_are_read_alone(path: Path) -> None:
    assert read_metadata(path) == list_metadata(onnx.load(path)) == SAID


def test_names_are_looked_for_outside_of_numbers(path: Path) -> None:
    model = onnx.load(path)
    model.graph.initializer[0].raw_data = b"wanted.data".ljust(WEIGHT.nbytes, b"\0")
    onnx.save(model, path)
    assert mentions(path, [b"wanted.data", b"logits", b"nowhere"]) == {b"logits"}
    model.doc_string = "wanted.data"
    onnx.save(model, path)
    assert mentions(path, [b"wanted.data"]) == {b"wanted.data"}
    path.write_bytes(b"no model: wanted.data")
    assert mentions(path, [b"wanted.data"]) == set()


def test_a_weight_of_another_length_than_its_shape_is_refused(path: Path) -> None:
    model = onnx.load(path)
    model.graph.initializer[0].dims[0] = 51
    onnx.save(model, path)
    with pytest.raises(ArchspecError, match="the tensor 'weight' of 51×64 holds 12,800 bytes instead of 13,056"):
        skim_model(path)
    assert skip_numbers(path).graph.initializer[0].dims[0] == 51


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, np.int8, np.uint16, np.int64, np.bool_])
def test_bytes_are_numpys(kind: type[np.generic]) -> None:
    array = np.zeros((3, 5, 2), kind)
    assert count_bytes(numpy_helper.from_array(array, "a")) == array.nbytes
    assert count_bytes(numpy_helper.from_array(np.zeros((3, 0), kind), "a")) == 0


def test_what_has_no_bytes_of_its_own_is_not_counted() -> None:
    assert count_bytes(TensorProto(dims=[-1, 2], data_type=TensorProto.FLOAT)) is None
    assert count_bytes(TensorProto(dims=[2], data_type=TensorProto.STRING)) is None
    assert count_bytes(TensorProto(dims=[2], data_type=TensorProto.INT4)) is None


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty"), (b"\x08", "is not an ONNX file, or it is cut off"), (b"\x08\x07", "it holds no graph")],
)
def test_what_is_no_model_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ArchspecError, match=told):
        skim_model(path)


def test_a_node_alone_is_a_graph(tmp_path: Path) -> None:
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert [node.op_type for node in skim_model(tmp_path / "m.onnx").graph.node] == ["Relu"]
