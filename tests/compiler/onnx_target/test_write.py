"""ONNX files as bytes: one file or two, reproducible, and never the weights twice in memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.reference
import pytest
from onnx.external_data_helper import load_external_data_for_model

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Conv, Linear, Shape
from compiler.onnx_file.digest import abbreviate
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.skim import read_metadata
from compiler.onnx_target import write
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes
from runtime.session.session import Session
from runtime.weights.safetensors_file import load_weights, save_weights
from tests.support.lowering import Arrays, graph_of, sample_inputs, stir

GRAPH = elaborate(load("resnet_digits"))
WIDE = graph_of(Linear(out=300), Shape(200))


@pytest.fixture(scope="module")
def weights() -> Arrays:
    return {name: value.numpy() for name, value in stir(to_torch(GRAPH)).state_dict().items()}


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 10,000 bytes up, weights lie beside the model."""
    monkeypatch.setattr(write, "MAX_FILE_BYTES", 10_000)


def fill(graph_seed: int) -> Arrays:
    random = np.random.default_rng(graph_seed)
    return {name: random.standard_normal(weight.shape).astype(np.float32) for name, weight in WIDE.weights.items()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_model_in_memory_is_the_file(tmp_path: Path, weights: Arrays) -> None:
    to_onnx(GRAPH, weights, tmp_path / "m.onnx", verify=False)
    assert to_bytes(build_model(GRAPH, weights)) == (tmp_path / "m.onnx").read_bytes()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_numbers_of_larger_tensors_begin_at_cache_lines(weights: Arrays, precision: str) -> None:
    whole = to_bytes(build_model(GRAPH, weights, options=ExportOptions(precision=precision)))  # type: ignore[arg-type]
    model = onnx.ModelProto.FromString(whole)
    large = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) > write.MAX_INLINE_BYTES]
    assert large
    assert {whole.index(tensor.raw_data) % 64 for tensor in large} == {0}
    assert {text.strip() for text in (model.doc_string, *(tensor.doc_string for tensor in large))} == {""}


@pytest.mark.parametrize("size", [2000, 16384, 1 << 21])
def test_they_do_whatever_their_lengths_take_to_write(size: int) -> None:
    """Around the numbers of which protobuf writes one more byte."""
    for count in range(size - 80, size + 8):
        name, array = "w" * (count % 50), np.empty(count, np.int8)
        for start in range(0, 200, 67):
            header = write._tensor_header(name, array, start)
            assert (start + len(header)) % write.CACHE_LINE == 0
            tensor = onnx.GraphProto.FromString(header + bytes(count)).initializer[0]
            assert (tensor.name, len(tensor.raw_data)) == (name, count)


@pytest.mark.usefixtures("beside")
def test_a_model_that_is_too_large_for_one_file_is_none_in_memory(weights: Arrays) -> None:
    with pytest.raises(ArchspecError, match="write it to a file"):
        to_bytes(build_model(GRAPH, weights))


@pytest.mark.usefixtures("beside")
def test_two_files_are_read_by_others(tmp_path: Path, weights: Arrays) -> None:
    """By onnx, its reference evaluator and ONNX Runtime behind our own checks; against the single file's numbers."""
    path = tmp_path / "m.onnx"
    to_onnx(GRAPH, weights, path, verify=False)
    content = read_metadata(path)[CONTENT]
    assert names(tmp_path) == ["m.onnx", f"m.onnx.{abbreviate(content)}.data"]
    onnx.checker.check_model(path, full_check=True)
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        facts = {entry.key: entry.value for entry in tensor.external_data}
        assert bool(facts) == (np.prod(tensor.dims) * 4 > write.MAX_INLINE_BYTES)
        assert int(facts.get("offset", 0)) % 65536 == 0
    load_external_data_for_model(model, str(tmp_path))
    expected = {name: np.asarray(array) for name, array in build_model(GRAPH, weights).tensors.items()}
    assert expected.keys() == {tensor.name for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        assert np.array_equal(onnx.numpy_helper.to_array(tensor), expected[tensor.name])
    feed = sample_inputs(GRAPH, 2)
    (reference,) = onnx.reference.ReferenceEvaluator(model).run(None, dict(feed))
    found = Session(path, providers=["cpu"]).run(feed)["output"]
    assert np.abs(found - reference).max() < 1e-4 * np.abs(reference).max()


@pytest.mark.usefixtures("beside")
def test_two_files_are_the_same_every_time(tmp_path: Path, weights: Arrays) -> None:
    contents = []
    for turn in ("a", "b"):
        (tmp_path / turn).mkdir()
        to_onnx(GRAPH, dict(reversed(weights.items())) if turn == "b" else weights, tmp_path / turn / "m", verify=False)
        contents.append({name: (tmp_path / turn / name).read_bytes() for name in names(tmp_path / turn)})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 2


@pytest.mark.usefixtures("beside")
def test_other_weights_never_take_the_place_of_a_models_data(tmp_path: Path) -> None:
    """A crash between the two files leaves the older pair as it was."""
    path = tmp_path / "m.onnx"
    to_onnx(WIDE, fill(1), path, verify=False)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    (tmp_path / "elsewhere").mkdir()
    to_onnx(WIDE, fill(2), tmp_path / "elsewhere" / "m.onnx", verify=False)
    for data in (tmp_path / "elsewhere").glob("*.data"):
        data.rename(tmp_path / data.name)
    shutil.rmtree(tmp_path / "elsewhere")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before
    assert len(names(tmp_path)) == 3
    feed = sample_inputs(WIDE, 2)
    expected = feed["x0"] @ fill(1)["op.weight"].T + fill(1)["op.bias"]
    assert np.allclose(Session(path, providers=["cpu"]).run(feed)["y"], expected, atol=1e-3)


def test_zero_dimensional_and_empty_tensors_are_written() -> None:
    model = build_model(graph_of(Conv(out=2, bias=False), Shape(1, 4, 4)), {"op.weight": np.ones((2, 1, 3, 3))})
    extra: dict[str, np.ndarray[Any, Any]] = {
        "scalar": np.array(2.5, np.float32),
        "none": np.empty((0, 3), np.int64),
        "turned": np.ones((2, 3)).T,
    }
    whole = onnx.ModelProto.FromString(to_bytes(type(model)(model.head, {**model.tensors, **extra}, model.graph)))
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in whole.graph.initializer}
    for name, array in extra.items():
        assert stored[name].dtype == array.dtype
        assert np.array_equal(stored[name], array)


EXPORT = """
import hashlib, sys
from archspec.api import elaborate, load, to_onnx
from archspec.weights import read_weights
arrays, facts = read_weights(sys.argv[1])
to_onnx(elaborate(load("resnet_digits")), arrays, sys.argv[2], verify=False, metadata=facts)
"""


def test_processes_agree_to_the_byte_on_mapped_weights_and_on_those_in_memory(tmp_path: Path, weights: Arrays) -> None:
    save_weights(tmp_path / "w", weights, {})
    to_onnx(GRAPH, load_weights(tmp_path / "w")[0], tmp_path / "mapped.onnx", verify=False)
    to_onnx(GRAPH, weights, tmp_path / "memory.onnx", verify=False)
    found = {(tmp_path / f"{turn}.onnx").read_bytes() for turn in ("mapped", "memory")}
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.onnx"
        command = [sys.executable, "-c", EXPORT, str(tmp_path / "w"), str(path)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        found.add(path.read_bytes())
    assert len(found) == 1
