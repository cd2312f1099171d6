"""Errors: their examples, and which kind a session raises for which fault."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import archspec
from archspec import errors
from archspec.errors import ArchspecError, InputError, ModelError, RuntimeFailure, raising


def test_the_examples_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(errors, extraglobs={"archspec": archspec}, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 3
    assert not found.failed


def test_raising_gives_a_kind_to_what_has_none() -> None:
    with pytest.raises(InputError, match="two axes") as caught, raising(InputError):
        raise ArchspecError("two axes") from OSError(28, "full")
    assert isinstance(caught.value.__cause__, OSError)  # which tells whose disk is full
    with pytest.raises(ModelError), raising(InputError):
        raise ModelError("of a kind already")
    with pytest.raises(KeyError), raising(InputError):
        raise KeyError("not ours")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Looks up one of three numbers by an index; the kernel fails for any other index."""
    table = helper.make_tensor("table", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "i"], ["y"])],
        "g",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ["N"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N"])],
        [table],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_each_fault_has_its_kind(model: Path) -> None:
    session = archspec.Session(model, providers=["cpu"])
    assert session.run(np.array([2]))["y"].tolist() == [3.0]
    with pytest.raises(InputError, match="float64"):
        session.run(np.zeros(1))
    with pytest.raises(RuntimeFailure, match="ONNX Runtime failed"):
        session.run(np.array([3]))
    with pytest.raises(InputError, match="threads must be between"):
        archspec.Session(model, threads=0)
    with pytest.raises(InputError, match="no provider 'cpx'"):
        archspec.Session(model, providers="cpx")
    model.write_bytes(model.read_bytes()[:-9])
    with pytest.raises(ModelError):
        archspec.Session(model)
    with pytest.raises(ModelError, match="is not a file"):
        archspec.Session(model.parent)


def test_malformed_sizes_are_the_models_fault(model: Path) -> None:
    loaded = onnx.load(model)
    loaded.metadata_props.add(key="archspec.sizes", value="[")
    onnx.save(loaded, model)
    with pytest.raises(ModelError, match="not valid JSON"):
        archspec.Session(model, providers=["cpu"])
