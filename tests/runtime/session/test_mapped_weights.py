"""Weights that stay in the one file: the same answers to the bit, whatever happens to the file."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError, ModelError
from compiler.onnx_target.options import ExportOptions
from runtime.export.plan import Calibration
from runtime.session.mapped_weights import ALIGNMENT, can_map
from runtime.session.model_file import ModelFile, WrittenError
from runtime.session.session import MAX_ATTEMPTS, Session
from tests.support.aligned_models import CHANNELS, X, build_sum, save_aligned
from tests.support.lowering import sample_inputs, stir
from tests.support.models import save


def open_on_cpu(path: Path) -> Session:
    return Session(path, providers=["cpu"])


def is_mapped(session: Session) -> bool:
    """Whether ONNX Runtime had the model from memory."""
    return not session._session._model_path


def run_plainly(path: Path, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, feed)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("resnet_digits", None),
        ("densenet_40_12", None),
        ("mobilenet_v2", {"H": 64, "W": 64}),
        ("unet", {"H": 188, "W": 188}),
        ("shake_shake26_2x32d", None),
    ],
)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_answers_are_those_of_the_plain_way(
    name: str, sizes: dict[str, int] | None, precision: str, tmp_path: Path
) -> None:
    graph = elaborate(load(name))
    feed = sample_inputs(graph, 2, sizes)
    np.save(tmp_path / "images.npy", next(iter(feed.values())))
    to_onnx(
        graph,
        stir(to_torch(graph)).state_dict(),
        tmp_path / "m.onnx",
        verify=False,
        options=ExportOptions(precision=precision),  # type: ignore[arg-type]
        calibration=Calibration(data=tmp_path / "images.npy", method="minmax") if precision == "int8" else None,
    )
    session = open_on_cpu(tmp_path / "m.onnx")
    assert is_mapped(session)
    given = {key: value.astype(session.dtypes[key]) for key, value in feed.items()}
    found = session.run(given)
    for array, expected in zip(found.values(), run_plainly(tmp_path / "m.onnx", given), strict=True):
        assert np.array_equal(array, expected, equal_nan=True)
        assert np.isfinite(array).any()


def test_metadata_are_read(tmp_path: Path) -> None:
    graph = elaborate(load("resnet_digits"))
    to_onnx(graph, to_torch(graph).state_dict(), tmp_path / "m.onnx", verify=False, metadata={"archspec.note": "hello"})
    session = open_on_cpu(tmp_path / "m.onnx")
    assert is_mapped(session)
    assert session.metadata["archspec.note"] == "hello"
    assert session.inputs == {"image": ("batch", 1, "H", "W")}


def test_weights_live_as_long_as_their_session(tmp_path: Path) -> None:
    session = open_on_cpu(save_aligned(2, tmp_path / "m.onnx"))
    (tmp_path / "m.onnx").unlink()
    gc.collect()
    assert is_mapped(session)
    assert np.array_equal(session.run(X)["y"], X + 2)


def test_what_lies_unaligned_takes_the_plain_way(tmp_path: Path) -> None:
    ways = set()
    for length in range(8):
        session = open_on_cpu(save(build_sum(3, "." * length), tmp_path / "m.onnx"))
        ways.add(is_mapped(session))
        assert np.array_equal(session.run(X)["y"], X + 3)
    assert False in ways


def use_whole_numbers(model: onnx.ModelProto) -> None:
    """A shape, which ONNX Runtime looks up while it reads the model."""
    tensor = model.graph.initializer[0]
    tensor.raw_data, tensor.data_type = np.ones(CHANNELS, np.int64).tobytes(), TensorProto.INT64
    model.graph.node[0].op_type = "Expand"


def list_as_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [CHANNELS]))


def list_as_input_of_old(model: onnx.ModelProto) -> None:
    list_as_input(model)
    model.ir_version = 3


def leave_unused(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "x"


def give_out(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [CHANNELS]))


def add_one_that_is_not_raw(model: onnx.ModelProto) -> None:
    model.graph.initializer.add(
        name="v", data_type=TensorProto.FLOAT, dims=[4 * CHANNELS], float_data=[1.0] * 4 * CHANNELS
    )


@pytest.mark.parametrize(
    "change",
    [
        list_as_input,
        list_as_input_of_old,
        leave_unused,
        give_out,
        add_one_that_is_not_raw,
    ],
)
def test_odd_models_answer_as_the_plain_way_does(
    change: Callable[[onnx.ModelProto], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.onnx"
    for length in range(ALIGNMENT):
        model = build_sum(2, "." * length)
        change(model)
        save(model, path)
        if can_map(ModelFile.open(path).check()):
            break
    try:
        expected = run_plainly(path, {"x": X})
    except Exception:
        with pytest.raises(ArchspecError, match="cannot load"):
            open_on_cpu(path)
        return
    capfd.readouterr()
    found = open_on_cpu(path).run({"x": X})
    assert capfd.readouterr().err == ""
    assert all(np.array_equal(*pair) for pair in zip(found.values(), expected, strict=True))


def replace(path: Path) -> None:
    os.replace(save_aligned(5, path.with_name("other.onnx")), path)


def remove(path: Path) -> None:
    path.unlink()


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 100)


def cut_off(path: Path) -> None:
    os.truncate(path, 1000)


@pytest.mark.parametrize(
    ("happen", "problem"),
    [
        (replace, None),
        (remove, r"cannot read .*m\.onnx: No such file"),
        (overwrite, r"m\.onnx is not an ONNX file, or it is cut off"),
        (cut_off, r"m\.onnx is not an ONNX file, or it is cut off"),
    ],
)
def test_no_model_gets_the_weights_of_another(
    happen: Callable[[Path], None], problem: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the check and the load, the file becomes another one. One that replaces it is opened as any other."""
    path = save_aligned(2, tmp_path / "m.onnx")

    check = ModelFile.check

    def check_first(model: ModelFile) -> ModelFile:
        monkeypatch.setattr(ModelFile, "check", check)
        happen(check(model).path)
        return model

    monkeypatch.setattr(ModelFile, "check", check_first)
    if problem is None:
        session = open_on_cpu(path)
        assert is_mapped(session)
        assert np.array_equal(session.run(X)["y"], X + 5)
    else:
        with pytest.raises(ModelError, match=problem):
            open_on_cpu(path)


def test_a_file_that_is_replaced_at_each_attempt_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_aligned(2, tmp_path / "m.onnx")
    check, seen = ModelFile.check, list[ModelFile]()

    def check_first(model: ModelFile) -> ModelFile:
        seen.append(check(model))
        os.replace(shutil.copy(path, tmp_path / "other.onnx"), path)
        return model

    monkeypatch.setattr(ModelFile, "check", check_first)
    with pytest.raises(WrittenError, match=r"m\.onnx was written or replaced while it was read; open it again"):
        open_on_cpu(path)
    assert len(seen) == MAX_ATTEMPTS


def test_what_replaces_a_file_is_checked_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx's checker stands before ONNX Runtime for that file as well."""
    path = save_aligned(2, tmp_path / "m.onnx")
    check = ModelFile.check

    def check_first(model: ModelFile) -> ModelFile:
        monkeypatch.setattr(ModelFile, "check", check)
        broken = onnx.load(path)
        broken.graph.node[0].output.append("")
        broken.graph.node[0].input.append("nowhere")
        other = path.with_name("other.onnx")
        onnx.save(broken, other)
        os.replace(other, path)
        return check(model)

    monkeypatch.setattr(ModelFile, "check", check_first)
    with pytest.raises(ModelError, match=r"m\.onnx is not a valid ONNX model"):
        open_on_cpu(path)


def test_links_are_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    save_aligned(2, tmp_path / "store" / "blob")
    (tmp_path / "m.onnx").symlink_to(tmp_path / "store" / "blob")
    monkeypatch.chdir(tmp_path)
    session = open_on_cpu(Path("m.onnx"))
    assert is_mapped(session)
    assert np.array_equal(session.run(X)["y"], X + 2)


MEASURE = """
import re, sys
from pathlib import Path
from typing import Any
from runtime.session import request
from runtime.session.session import MAX_ATTEMPTS, Session
if sys.argv[2] == "plain":
    request.can_map = lambda model: False
session = Session(sys.argv[1], providers=["cpu"])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_it_takes_less_memory(tmp_path: Path) -> None:
    """By the weights once at least: 64 MB."""
    path, channels = tmp_path / "m.onnx", 1 << 24
    save_aligned(2, path, channels=channels)

    def measure(way: str) -> int:
        command = [sys.executable, "-c", MEASURE, str(path), way]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) << 10

    assert measure("plain") - measure("mapped") > 4 * channels
