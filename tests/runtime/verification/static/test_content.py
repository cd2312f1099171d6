"""What a file says of its content: by another hash it is a note, and of another tool's file the reason is said."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import helper
from onnxruntime.quantization import quantize_dynamic

from archspec.api import elaborate, load, to_onnx, to_torch, verify_model
from archspec.errors import ArchspecError
from compiler.onnx_file.content import Content, read_fingerprint
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.skim import read_metadata
from runtime.session import form_writer
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, find_optimized
from runtime.verification.checks import Check
from tests.support.lowering import stir

GRAPH = elaborate(load("residual_mlp"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    to_onnx(GRAPH, stir(to_torch(GRAPH)).state_dict(), tmp_path / "m.onnx", verify=False)
    return tmp_path / "m.onnx"


def say(path: Path, content: str) -> None:
    model = onnx.load(path)
    helper.set_model_props(model, {item.key: item.value for item in model.metadata_props} | {CONTENT: content})
    onnx.save(model, path)


def judge(path: Path, name: str = "content") -> Check:
    return next(check for check in verify_model(path).checks if check.name == name)


OTHER = "says its content by a hash that this version does not compute"


@pytest.mark.parametrize(
    "content", ["", "0" * 32, "0" * 64, "xxh4:" + "0" * 32, "xxh3:" + "0" * 31, "xxh3:" + "0" * 33]
)
def test_a_hash_that_is_not_computed_is_noted(content: str, path: Path) -> None:
    say(path, content)
    check = judge(path)
    assert (check.status, OTHER in check.text) == ("noted", True)
    with pytest.raises(ArchspecError, match=f"{OTHER} .{CONTENT}.: export it again"):
        write_optimized(path)
    say(path, "xxh3:" + "0" * 32)  # the control
    assert judge(path).status == "failed"


@pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")
@pytest.mark.parametrize("renamed", [False, True])
def test_a_form_of_such_a_file_is_passed_over_aloud(
    renamed: bool, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_optimized(path)
    assert find_optimized(ModelFile.open(path)) is not None  # the control
    assert not caplog.messages
    older = read_fingerprint(path)
    say(path, older)
    monkeypatch.setattr(form_writer, "read_content", lambda path: Content(older, older))
    form = write_optimized(path)
    assert read_metadata(form)[CONTENT] == older
    with pytest.raises(ArchspecError, match=f"optimized form as it was written, which no session loads: it {OTHER}"):
        judge(form)
    if renamed:
        path, form = (file.rename(file.with_name(file.name.replace("m.", "n.", 1))) for file in (path, form))
    assert find_optimized(ModelFile.open(path)) is None
    (said,) = caplog.messages
    assert said.endswith(
        f"{form.name} is not used: it {OTHER}; export {path.name} again with --optimized, or remove it"
    )
    check = judge(path, "optimized")
    assert (check.status, OTHER in check.text) == ("noted", True)


def test_another_tools_file_is_called_so_and_its_remedy_works(path: Path) -> None:
    other = path.with_name("it's 8 bits.onnx")
    quantize_dynamic(path, other)
    assert CONTENT in read_metadata(other)
    check = judge(other)
    assert check.status == "failed"
    assert "onnx.quantize made it from an export and kept what that said of itself" in check.text
    assert "; quantize by `archspec export --precision int8`, or" in check.text
    python, *rest = shlex.split(check.text[check.text.index("python -c") :])
    before = read_metadata(other)
    option, code, name = rest
    head, paren, tail = code.partition("(")
    folded = [option, head + paren + tail.replace(" ", "\n      "), name]  # as a terminal breaks lines
    assert python == "python"
    subprocess.run([sys.executable, *folded], check=True, capture_output=True)
    assert read_metadata(other) == {key: value for key, value in before.items() if key != CONTENT}
    assert judge(other).status == "noted"


def test_an_edited_export_is_no_other_tools(path: Path) -> None:
    model = onnx.load(path)
    model.graph.node[0].name += "!"
    onnx.save(model, path)
    check = judge(path)
    assert (check.status, "made it from" in check.text) == ("failed", False)
    assert "; export it again, or, if it was changed on purpose" in check.text
