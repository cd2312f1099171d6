"""ONNX Runtime's own form beside an export: what cannot be written is said before any work, and leaves nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from archspec.api import elaborate, load, to_onnx
from archspec.errors import ArchspecError
from compiler.onnx_target.options import ExportOptions, Precision
from runtime.export.plan import Calibration
from runtime.session.form_writer import NOT_ON_CPUS, write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, find_optimized, place_form
from tests.support.commands import refuse
from tests.support.lowering import stir_members

SPEC = "resnet_digits"
GRAPH = elaborate(load(SPEC))
(WEIGHTS,) = stir_members(GRAPH, 1)

needs_instructions = pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@needs_instructions
@pytest.mark.parametrize("precision", get_args(Precision))
def test_what_cannot_be_optimized_is_refused_before_any_work(
    precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The witness is ONNX Runtime, of a file in that precision."""
    path, images = tmp_path / "m.onnx", tmp_path / "images.npy"
    np.save(images, np.random.default_rng(0).random((64, *GRAPH["image"].shape), np.float32))
    calibration = Calibration(data=images) if precision == "int8" else None
    options = ExportOptions(precision=precision)
    to_onnx(GRAPH, WEIGHTS, path, verify=False, options=options, calibration=calibration)
    before, refused = contents(tmp_path), precision in NOT_ON_CPUS
    if not refused:
        write_optimized(path)
        return
    with pytest.raises(ArchspecError, match=f"{path}: ONNX Runtime cannot optimize it"):
        write_optimized(path)
    monkeypatch.setattr("runtime.export.export.build_model", None)
    message = "--optimized is a form for this CPU, on which ONNX Runtime computes nothing in bf16: leave it out"
    with pytest.raises(ArchspecError, match=message):
        to_onnx(GRAPH, WEIGHTS, path, verify=False, optimized=True, options=options)
    refuse(message, "export", SPEC, "--weights", tmp_path / "none", "--precision", precision, "--optimized", "-o", path)
    assert contents(tmp_path) == before


@needs_instructions
def test_a_form_that_cannot_be_written_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.export.export.build_model", None)
    words = ("export", SPEC, "--weights", tmp_path / "none", "--optimized", "-o")
    longest = 255 - len(place_form(Path("m.onnx"), str(describe_runtime())).name) + 1  # by the system, in letters
    for name in ("m" * (longest + 1) + ".onnx", "m" * 240 + ".onnx"):
        with pytest.raises(ArchspecError, match="File name too long"):
            to_onnx(GRAPH, {}, tmp_path / name, optimized=True)
        refuse("File name too long", *words, tmp_path / name)
    place_form(tmp_path / "m.onnx", str(describe_runtime())).mkdir()
    refuse("names a folder", *words, tmp_path / "m.onnx")
    monkeypatch.setattr("runtime.session.form_writer.describe_runtime", lambda: None)
    refuse("does not say which instructions its processor has", *words, tmp_path / "n.onnx")
    assert len(list(tmp_path.iterdir())) == 1


OPTIMIZE = """
import resource, sys
from pathlib import Path
from archspec.errors import ArchspecError
from runtime.session.model_file import ModelFile
from runtime.session.form_writer import write_optimized

limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    write_optimized(sys.argv[1])
except ArchspecError as error:
    sys.exit(f"error: {error}")
"""


@needs_instructions
@pytest.mark.parametrize("limit", [1, 5_000, 100_000])
def test_a_full_disk_while_optimizing(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    to_onnx(GRAPH, WEIGHTS, path, verify=False)
    before = contents(tmp_path)
    result = subprocess.run([sys.executable, "-c", OPTIMIZE, str(path), str(limit)], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]
    assert find_optimized(ModelFile.open(path)) is None
    assert (
        find_optimized(ModelFile.open(path.parent / write_optimized(path).name)) is None
    )  # which is optimized, and not a model of ours
