"""Where the data of a model may lie: below its folder, and where the caches of model hubs put it; not outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from onnx.external_data_helper import set_external_data

from archspec.api import analyze, elaborate, load, open_network, to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.onnx_target import write
from runtime.measuring.bench import bench
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, find_optimized
from runtime.session.session import Session
from tests.support.commands import archspec
from tests.support.models import build_model, save

W = np.arange(400, dtype=np.float32)
X = np.ones(400, np.float32)

Layout = Callable[[Path], Path]


def save_sum(path: Path, location: str) -> Path:
    """x + w, with w elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    model = build_model([helper.make_node("Add", ["x", "w"], ["y"])], {"x": [400]}, {"y": [400]})
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[400], raw_data=b"")
    set_external_data(tensor, location, offset=0, length=1600)
    model.graph.initializer.append(tensor)
    return save(model, path)


def save_data(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(W.tobytes())


def link(path: Path, to: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(to)
    return path


def below(root: Path) -> Path:
    save_data(root / "deep" / "er" / "w.bin")
    return save_sum(root / "m.onnx", "deep/er/w.bin")


def dotted(root: Path) -> Path:
    save_data(root / "w.bin")
    return save_sum(root / "m.onnx", "./w.bin")


def link_inside(root: Path) -> Path:
    save_data(root / "real.bin")
    link(root / "w.bin", "real.bin")
    return save_sum(root / "m.onnx", "w.bin")


def linked_folder(root: Path) -> Path:
    save_data(root / "f" / "w.bin")
    save_sum(root / "f" / "m.onnx", "w.bin")
    return link(root / "l", "f") / "m.onnx"


def linked_model(root: Path) -> Path:
    save_data(root / "w.bin")
    save_sum(root / "store" / "blob", "w.bin")
    return link(root / "m.onnx", "store/blob")


def hub(root: Path) -> Path:
    save_sum(root / "blobs" / "aa", "model.onnx_data")
    save_data(root / "blobs" / "bb")
    link(root / "snapshots" / "1" / "onnx" / "model.onnx_data", "../../../blobs/bb")
    return link(root / "snapshots" / "1" / "onnx" / "model.onnx", "../../../blobs/aa")


def hub_below(root: Path) -> Path:
    save_sum(root / "blobs" / "aa", "weights/1")
    save_data(root / "blobs" / "bb")
    link(root / "snapshots" / "1" / "weights" / "1", "../../../blobs/bb")
    return link(root / "snapshots" / "1" / "model.onnx", "../../blobs/aa")


def link_outside(root: Path) -> Path:
    save_data(root / "secret.bin")
    link(root / "f" / "w.bin", "../secret.bin")
    return save_sum(root / "f" / "m.onnx", "w.bin")


def folder_outside(root: Path) -> Path:
    save_data(root / "secrets" / "w.bin")
    link(root / "f" / "deep", "../secrets")
    return save_sum(root / "f" / "m.onnx", "deep/w.bin")


def like_a_hub(root: Path) -> Path:
    """The data of a linked model lead to a third folder."""
    save_data(root / "secrets" / "w.bin")
    save_sum(root / "blobs" / "aa", "w.bin")
    link(root / "f" / "w.bin", "../secrets/w.bin")
    return link(root / "f" / "m.onnx", "../blobs/aa")


def next_to_it(root: Path) -> Path:
    """The beginning of a folder's name is no folder."""
    save_data(root / "f2" / "w.bin")
    link(root / "f" / "w.bin", "../f2/w.bin")
    return save_sum(root / "f" / "m.onnx", "w.bin")


@pytest.mark.parametrize("make", [below, dotted, link_inside, linked_folder, linked_model, hub, hub_below])
def test_data_in_the_folder_are_read(make: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ONNX Runtime alone, by a session that maps them and by one that copies them; from anywhere."""
    path = make(tmp_path)
    (expected,) = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": X})
    assert np.array_equal(expected, W + 1)
    for mapped in (True, False):
        assert np.array_equal(Session(path, providers=["cpu"], mapped=mapped).run(X)["y"], expected)
    monkeypatch.chdir(path.parent)
    assert np.array_equal(Session(path.name, providers=["cpu"]).run(X)["y"], expected)
    graph, _ = open_network(path)
    assert analyze(graph).cost.parameters == 400
    assert bench(Session(path, providers=["cpu"]), seconds=0.01)


@pytest.mark.parametrize("make", [below, link_inside, linked_model, hub, hub_below])
def test_they_are_read_for_axes_without_a_name_that_are_fixed(make: Layout, tmp_path: Path) -> None:
    """Then ONNX Runtime has the model from memory, and asks again where data lie."""
    path = make(tmp_path)
    model = onnx.load(path, load_external_data=False)
    model.graph.input[0].type.tensor_type.shape.dim[0].Clear()
    Path(os.path.realpath(path)).write_bytes(model.SerializeToString())
    session = Session(path, providers=["cpu"], fixed={"x.0": 400})
    assert session.inputs == {"x": (400,)}
    assert np.array_equal(session.run(X)["y"], W + 1)


@pytest.mark.parametrize("make", [link_outside, folder_outside, like_a_hub, next_to_it])
def test_links_out_of_the_folder_are_refused(make: Layout, tmp_path: Path) -> None:
    """As ONNX Runtime does; an analysis, which never opens them, does not mind."""
    path = make(tmp_path)
    with pytest.raises(Exception, match="escapes model directory"):
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with pytest.raises(ArchspecError, match=r"w\.bin, is a link out of the model's folder, to .*w\.bin|secret\.bin"):
        Session(path, providers=["cpu"])
    assert analyze(open_network(path)[0]).cost.parameters == 400


def test_a_link_to_a_model_whose_data_lie_there_says_what_to_open(tmp_path: Path) -> None:
    save_data(tmp_path / "store" / "w.bin")
    real = save_sum(tmp_path / "store" / "m", "w.bin")
    path = link(tmp_path / "m.onnx", "store/m")
    with pytest.raises(Exception, match="External data"):
        onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    with pytest.raises(ArchspecError, match=rf"its data lie beside {real}: open that, or link them here too"):
        Session(path, providers=["cpu"])
    link(tmp_path / "w.bin", "store/w.bin")
    assert np.array_equal(Session(path, providers=["cpu"]).run(X)["y"], W + 1)


@pytest.mark.parametrize("place", ["file", "hub"])
def test_a_hard_link_is_refused_wherever_it_lies(place: str, tmp_path: Path) -> None:
    path = hub(tmp_path) if place == "hub" else below(tmp_path)
    ModelFile.open(path).check()
    real = next(file for file in tmp_path.rglob("*") if file.name in ("bb", "w.bin"))
    os.link(real, tmp_path / "another name")
    with pytest.raises(ArchspecError, match="has 2 names"):
        ModelFile.open(path).check()


@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "circle"])
def test_what_is_no_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = save_sum(tmp_path / "m.onnx", "deep/w.bin")
    (tmp_path / "deep").mkdir()
    data = tmp_path / "deep" / "w.bin"
    if kind == "fifo":
        os.mkfifo(data)
    elif kind == "device":
        data.symlink_to("/dev/zero")
    elif kind == "folder":
        data.mkdir()
    else:
        data.symlink_to("w.bin")
    with pytest.raises(ArchspecError, match=r"is not a file|is a link out of|cannot be read"):
        ModelFile.open(path).check()


def move_into_hub(path: Path, root: Path) -> Path:
    """The files beside a model, as a hub's cache has them."""
    blobs, snapshot = root / "blobs", root / "snapshots" / "1"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, file in enumerate(sorted(path.parent.iterdir())):
        shutil.move(file, blobs / f"{number:040}")
        (snapshot / file.name).symlink_to(f"../../blobs/{number:040}")
    return snapshot / path.name


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_the_way_of_a_model_in_a_hub(precision: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verify, with its second witness; and the form that is optimized for this processor."""
    from compiler.onnx_target.options import ExportOptions

    monkeypatch.setattr(write, "MAX_FILE_BYTES", 1000)
    graph = elaborate(load("residual_mlp", {"blocks": 1}))
    options = ExportOptions(precision=precision)
    to_onnx(graph, to_torch(graph).state_dict(), tmp_path / "made" / "m.onnx", verify=False, options=options)
    plain = archspec("verify", tmp_path / "made" / "m.onnx", "--json")
    path = move_into_hub(tmp_path / "made" / "m.onnx", tmp_path)
    found = archspec("verify", path, "--json")
    assert found["passed"] == plain["passed"] is True
    if precision == "fp32" and describe_runtime() is not None:
        shape: Any = Session(path, as_written=True).inputs["x"][1:]
        x = np.ones((2, *shape), np.float32)
        expected = Session(path, providers=["cpu"], as_written=True).run(x)
        assert find_optimized(ModelFile.open(path)) is None
        assert write_optimized(path) == find_optimized(ModelFile.open(path))
        (output,) = expected
        assert np.allclose(Session(path, providers=["cpu"]).run(x)[output], expected[output], atol=1e-5)
