"""A session says what it runs on and what it was fed wrongly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from archspec.errors import ArchspecError, InputError, ModelError
from runtime.session.session import Session
from runtime.session.settings import Settings
from tests.support.models import build_double, build_model, save


@pytest.fixture
def double(tmp_path: Path) -> Path:
    sizes = {"H": {"value": 224, "first": 188, "step": 16}, "W": {"value": 7}}
    return save(build_double(metadata={"archspec.sizes": json.dumps(sizes), "note": "hello"}), tmp_path / "m.onnx")


def open_on_cpu(path: Path, **options: Any) -> Session:
    return Session(path, providers=("cpu",), **options)


def test_a_session_runs_and_describes_itself(double: Path) -> None:
    session = open_on_cpu(double, threads=1)
    x = np.random.default_rng(0).standard_normal((2, 3, 204, 7)).astype(np.float32)
    assert np.array_equal(session.run(x)["y"], x + x)
    assert np.array_equal(session.run({"x": x[:, :, ::1][::-1]})["y"], 2 * x[::-1])
    assert session.inputs == {"x": ("N", 3, "H", "W")} == {"x": session.outputs["y"]}
    assert (session.provider, session.notice, session.fixed_batch) == ("cpu", None, None)
    assert session.metadata["note"] == "hello"


@pytest.mark.parametrize(
    ("feed", "message"),
    [
        (np.zeros((1, 3, 224, 7)), r"'x' is float64, the model takes float32: use \.astype\('float32'\)"),
        (np.zeros((3, 224, 7), np.float32), r"3 axes, \(3, 224, 7\); the model takes x: float32 \(N, 3, H, W\)"),
        (np.zeros((1, 4, 224, 7), np.float32), "axis 1 is 4; the model takes 3"),
        (np.zeros((0, 3, 224, 7), np.float32), r"axis 0 \(N\) is empty"),
        (np.zeros((1, 3, 200, 7), np.float32), r"axis 2 \(H\) is 200; the model takes 188, 204, 220, … \(written for"),
        (np.zeros((1, 3, 172, 7), np.float32), r"axis 2 \(H\) is 172"),
        (np.zeros((1, 3, 188, 8), np.float32), r"axis 3 \(W\) is 8; the model takes only 7"),
        ({"z": np.zeros(1)}, r"has no input 'z' \(inputs: x: float32"),
        ({}, "needs the input 'x' too"),
    ],
)
def test_a_wrong_input_is_named(double: Path, feed: Any, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        open_on_cpu(double).run(feed)


@pytest.mark.parametrize("extent", [188, 204, 224, 1004])
def test_sizes_that_the_metadata_allows_run(double: Path, extent: int) -> None:
    assert open_on_cpu(double).run(np.ones((1, 3, extent, 7), np.float32))["y"].shape == (1, 3, extent, 7)


def test_a_name_means_one_extent_in_all_inputs(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ["N"], "b": ["N"]}, {"y": ["N"]})
    session = open_on_cpu(save(model, tmp_path / "m.onnx"))
    with pytest.raises(ArchspecError, match=r"'b', axis 0 \(N\) is 3, but input 'a', axis 0 \(N\) is 2"):
        session.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
    with pytest.raises(ArchspecError, match=r"several inputs, by name: a: float32 \(N,\); b"):
        session.run(np.ones(2, np.float32))


def test_unnamed_axes_are_free_and_fixed_ones_are_not(tmp_path: Path) -> None:
    session = open_on_cpu(save(build_double((2, None, None)), tmp_path / "m.onnx"))
    assert session.inputs == {"x": (2, "x.1", "x.2")}
    assert session.outputs == {"y": (2, "y.1", "y.2")}
    assert session.fixed_batch == 2
    assert session.run(np.ones((2, 3, 4), np.float32))["y"].shape == (2, 3, 4)


@pytest.mark.parametrize("op", ["MaxPool", "GlobalMaxPool", "AveragePool", "GlobalAveragePool"])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_max_pools_pass_over_nan_unless_it_is_the_last(tmp_path: Path, op: str, row: int, column: int) -> None:
    """What docs/export/sessions.md says of ONNX Runtime, so that it is said no longer than it is true."""
    shape: dict[str, Any] = {} if op.startswith("Global") else {"kernel_shape": [2, 2]}
    model = build_model([helper.make_node(op, ["x"], ["y"], **shape)], {"x": [1, 1, 2, 2]}, {"y": [1, 1, 1, 1]})
    image = np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    image[0, 0, row, column] = np.nan
    found = open_on_cpu(save(model, tmp_path / "m.onnx")).run(image)["y"].item()
    pool = torch.nn.functional.max_pool2d if "Max" in op else torch.nn.functional.avg_pool2d
    assert np.isnan(pool(torch.from_numpy(image), 2).item())
    assert np.isnan(found) == ("Average" in op or (row, column) == (1, 1))


def test_a_failure_inside_onnx_runtime_is_one_line(tmp_path: Path) -> None:
    model = build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": ["N"], "b": ["M"]}, {"y": ["K"]})
    session = open_on_cpu(save(model, tmp_path / "m.onnx"))
    with pytest.raises(ArchspecError, match=r"ONNX Runtime failed: .*Add") as caught:
        session.run({"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)})
    assert "\n" not in str(caught.value)


def test_a_model_for_a_later_runtime_is_refused_in_one_line(tmp_path: Path) -> None:
    model = build_double()
    model.opset_import[0].version = 28
    model.ir_version = 14
    with pytest.raises(ArchspecError, match=r"cannot load it|not a valid ONNX model") as caught:
        open_on_cpu(save(model, tmp_path / "m.onnx"))
    assert "\n" not in str(caught.value)


def test_inputs_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    model = build_model(
        [helper.make_node("Identity", ["x"], ["y"])], {"x": ["N"]}, {"y": ["N"]}, kind=TensorProto.STRING
    )
    with pytest.raises(ArchspecError, match=r"'x' is a tensor\(string\)"):
        open_on_cpu(save(model, tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]",
        '{"H": 3}',
        '{"H": {}}',
        '{"H": {"value": 0}}',
        '{"H": {"value": 8, "first": 8}}',
        '{"H": {"value": 1e3}}',
    ],
)
def test_malformed_sizes_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ArchspecError, match=r"archspec\.sizes"):
        open_on_cpu(save(build_double(metadata={"archspec.sizes": text}), tmp_path / "m.onnx"))


def test_names_and_metadata_that_are_no_text_are_refused(tmp_path: Path) -> None:
    whole = build_double(metadata={"note": "hello"}).SerializeToString()
    for word in (b"hello", b"N"):
        (tmp_path / "m.onnx").write_bytes(whole.replace(word, b"\x9c" * len(word)))
        with pytest.raises(ArchspecError, match="not UTF-8 text"):
            open_on_cpu(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads must be between 1 and 1024, found 0"),
        ({"threads": 2000}, "threads must be between 1 and 1024, found 2000"),
        ({"threads": True}, "threads must be an integer, found true"),
        ({"threads": "2"}, "threads must be an integer, found a string"),
        ({"threads": 1.0}, "threads must be an integer, found a number"),
        ({"providers": []}, "providers names none: leave it out for the best that works"),
        ({"providers": ["cpu", 1]}, "a provider is a name, of tensorrt, cuda, cpu, found 1"),
        ({"providers": [("cpu", {})]}, "a provider is a name, of tensorrt, cuda, cpu, found a value of type tuple"),
        ({"providers": {"cpu": {}}}, "providers are names, of tensorrt, cuda, cpu, found a value of type dict"),
        ({"providers": b"cpu"}, "providers are names, of tensorrt, cuda, cpu, found a value of type bytes"),
        ({"providers": 3}, "providers are names, of tensorrt, cuda, cpu, found 3"),
        ({"providers": "cup"}, "no provider 'cup'; did you mean 'cpu'?"),
        ({"fixed": ["H"]}, "fixed are extents by the names of axes, found a value of type list"),
        ({"fixed": 8}, "fixed are extents by the names of axes, found 8"),
        ({"fixed": {1: 8}}, "has no free axis 1 to fix (free: N, H, W)"),
        ({"fixed": {"H": "8"}}, "the axis H is fixed at a whole number from 1, found '8'"),
        ({"fixed": {"H": None}}, "the axis H is fixed at a whole number from 1, found a value of type NoneType"),
        ({"settings": "fast"}, "settings are Settings or 'default', found 'fast'"),
        ({"settings": {"threads": 1}}, "settings are Settings or 'default', found a value of type dict"),
        ({"mapped": "no"}, "mapped is True or False, found 'no'"),
        ({"as_written": 1}, "as_written is True or False, found 1"),
        ({"settings": np.zeros(3)}, "settings are Settings or 'default', found a value of type ndarray"),
    ],
)
def test_wrong_options_are_refused(double: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError) as caught:
        Session(double, **{"providers": "cpu"} | options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (None, "a model is named by a string or a Path, found a value of type NoneType"),
        (b"m.onnx", "a model is named by a string or a Path, found a value of type bytes"),
        (3, "found 3"),
        (["m.onnx"], "found a value of type list"),
        ("", "is not a file"),
        (".", "is not a file"),
        ("none.onnx", "none.onnx does not exist"),
        ("m\0.onnx", "cannot hold a NUL"),
        ("\ud800.onnx", "cannot hold half a character"),
        ("m" * 5000, "cannot read m"),
    ],
)
def test_what_names_no_model_is_refused(path: Any, message: str) -> None:
    with pytest.raises(ArchspecError) as caught:
        Session(path)
    assert message in str(caught.value)
    could_be_there = isinstance(path, str) and "hold" not in message
    assert type(caught.value) is (ModelError if could_be_there else InputError)


def test_one_provider_may_be_given_by_its_name_alone(double: Path) -> None:
    for providers_ in ("cpu", "CPU", ["cpu"], ("CPUExecutionProvider", "cpu")):
        assert Session(double, providers=providers_).providers == ("cpu",)


@pytest.mark.parametrize("weights", ["none", "inside", "beside"])
def test_axes_without_a_name_are_fixed_by_their_places(tmp_path: Path, weights: str) -> None:
    """Told to ONNX Runtime too, which then knows the output's shape; whatever it had the weights from."""
    model = build_model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        {"x": [None, 3, "?", "W"]},
        {"y": ["a", 3, "b", "c"]},
        {"w": np.full((1, 3, 32, 16), 2, np.float32)} if weights != "none" else {"w": np.ones(1, np.float32)},
    )
    path = tmp_path / "m.onnx"
    onnx.save(model, path, save_as_external_data=weights == "beside", location="m.data", size_threshold=0)
    session = open_on_cpu(path, fixed={"x.0": 2, "x.2": 32, "W": 16})
    assert session.inputs == {"x": (2, 3, 32, 16)}
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 16)).astype(np.float32)
    assert np.array_equal(session.run(x)["y"], open_on_cpu(path).run(x)["y"])
    with pytest.raises(ArchspecError, match="axis 2 is 33; the model takes 32"):
        session.run(np.zeros((2, 3, 33, 16), np.float32))
    recorded = open_on_cpu(path, fixed={"x.0": 2, "x.2": 32, "W": 16}, settings=Settings(cuda_graph=True))
    for number in (1, 2):
        assert np.array_equal(recorded.run(number * x)["y"], session.run(number * x)["y"])
    assert open_on_cpu(path, fixed={"x.2": 32}).inputs == {"x": ("x.0", 3, 32, "W")}


def test_equal_names_that_are_none_are_axes_of_their_own(tmp_path: Path) -> None:
    session = open_on_cpu(save(build_double(("?", 3, "?", "?")), tmp_path / "m.onnx"))
    assert session.inputs == {"x": ("x.0", 3, "x.2", "x.3")}
    assert session.run(np.ones((2, 3, 8, 16), np.float32))["y"].shape == (2, 3, 8, 16)
    with pytest.raises(ArchspecError, match=r"axis 2 \(x\.2\) is empty"):
        session.run(np.ones((2, 3, 0, 16), np.float32))
    with pytest.raises(ArchspecError, match=r"no free axis '\?' to fix \(free: x\.0, x\.2, x\.3\)"):
        open_on_cpu(session.path, fixed={"?": 8})
