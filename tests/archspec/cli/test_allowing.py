"""What `--allow` names is imported, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from archspec.api import load
from archspec.cli.allowing import load_allowed
from tests.support.commands import run

FILE = """\
from pathlib import Path

import torch

from archspec.ops import Layer, Op

Path("ran").touch()


class Gate(Op):
    arity = 2

    def infer(self, x, gate):
        return x

    def torch_module(self, x, gate):
        return lambda value, by: torch.where(by > 0, value, 0.0)

    def onnx_nodes(self, emit, x, gate):
        zero = emit.constant("zero", 0)
        return emit.op("Where", [emit.op("Greater", [gate, zero]), x, zero])


class Unfinished(Layer):
    pass


class Other:
    pass
"""
NETWORK = "[conv: 4, tap: g, conv: 4, ext: {use: gate, with: [g]}, global_avg_pool, flatten, linear: 10]"
SPEC = f"archspec: 1\ninputs: {{image: [1, H, W]}}\nsizes: {{H: 8, W: 8}}\nnetwork: {NETWORK}\n"

FAMILY = SPEC.replace("network:", "params: {width: 4}\nnetwork:").replace("conv: 4", "conv: width")
VECTOR = (
    "archspec: 1\ninputs: {x: [8]}\nnetwork: [linear: 4, tap: g, linear: 4, ext: {use: gate, with: [g]}, linear: 1]\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "gate.py").write_text(FILE, encoding="utf-8")
    for name, text in (("net", SPEC), ("family", FAMILY), ("vector", VECTOR)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_class_is_known_by_its_name_or_another() -> None:
    first, second = load_allowed(["gate.py:Gate", "mine=gate.py:Gate"]).items()
    assert [first[0], second[0]] == ["gate", "mine"]
    assert first[1] is second[1]


def test_module_is_imported_by_its_name() -> None:
    assert load_allowed(["archspec.ops:Relu"])["relu"].kind == "relu"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gate", "--allow needs FILE.py:CLASS or MODULE:CLASS, found 'gate'"),
        ("none.py:Gate", "there is no file none.py"),
        ("no_such_module:Gate", "no_such_module cannot be imported: ModuleNotFoundError"),
        ("broken.py:Gate", "broken.py cannot be imported: ZeroDivisionError: division by zero"),
        ("gate.py:Gaet", "gate.py has no class 'Gaet'; did you mean 'Gate'?"),
        ("gate.py:Other", "gate.py:Other is no operation: derive it from archspec.ops.Layer or Op"),
        ("gate.py:Unfinished", "gate.py:Unfinished is no operation"),
        ("gate.py:torch", "gate.py:torch is no operation"),
    ],
)
def test_what_is_no_operation_is_refused(text: str, message: str) -> None:
    Path("broken.py").write_text("1 / 0\n", encoding="utf-8")
    with pytest.raises(typer.BadParameter) as error:
        load_allowed([text])
    assert message in str(error.value)


def test_nothing_runs_without_leave() -> None:
    assert "the caller did not allow the extension 'gate'" in run("check", "net.yaml", expect=1)
    assert not Path("ran").exists()
    run("check", "net.yaml", "--allow", "gate.py:Gate")
    assert Path("ran").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("show", "net.yaml"),
        ("lint", "net.yaml"),
        ("analyze", "net.yaml", "--variance", "--measure"),
        ("assert", "net.yaml", "params >= 1"),
        ("diff", "net.yaml", "net.yaml"),
        ("fit", "family.yaml", "--vary", "width=1..4", "--budget", "params <= 1k"),
        ("shattering", "vector.yaml", "--points", "3", "--seeds", "1"),
        ("draw", "net.yaml", "-o", "net.svg"),
    ],
    ids=lambda command: str(command[0]),
)
def test_commands_take_leave(command: tuple[str, ...]) -> None:
    run(*command, "--allow", "gate.py:Gate")


def test_the_whole_way_on_the_command_line() -> None:
    allow = ("--allow", "gate.py:Gate")
    said = run("train", "net.yaml", "--data", "digits", "-o", "run", "--epochs", "1", *allow)
    assert " -o run/model.onnx --allow gate.py:Gate\n" in said, "the next command"
    weights = "run/weights.safetensors"
    run("export", "net.yaml", "--weights", weights, "-o", "net.onnx", *allow)
    run("verify", "net.onnx", "--against", "net.yaml", weights, *allow)
    Path("net.onnx").rename("run/model.onnx")
    run("evaluate", "run", *allow)
    run("surface", "run", "--points", "3", "--images", "16", *allow)


def test_a_spec_keeps_the_leave() -> None:
    allowed = load_allowed(["gate.py:Gate"])
    assert load("net.yaml", extensions=allowed).extensions == allowed
    assert not load("net.yaml").extensions
