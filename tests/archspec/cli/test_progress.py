"""A sign of life on stderr while a command works; nothing of it in a pipe."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.cli import progress
from archspec.cli.main import app
from archspec.cli.progress import show_work


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("stream", "said"), [(Terminal(), True), (io.StringIO(), False)])
def test_only_a_terminal_is_told(stream: io.StringIO, said: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with show_work("timing [x].onnx") as follow:
        follow("[y] 1 × 8")
        time.sleep(0.01)
    assert ("timing [x].onnx: [y] 1 × 8" in stream.getvalue()) == said
    assert (stream.getvalue() == "") != said


@pytest.fixture
def model(tmp_path: Path) -> Path:
    graph = elaborate(load("residual_mlp", {"blocks": 1}))
    to_onnx(graph, to_torch(graph).state_dict(), tmp_path / "m.onnx", verify=False)
    return tmp_path / "m.onnx"


def test_long_commands_show_that_they_work(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    @contextmanager
    def record(what: str) -> Iterator[Callable[[str], None]]:
        shown.append(what)
        yield lambda part: None

    monkeypatch.setattr(progress, "show_work", record)
    for words in (
        ("verify", model),
        ("bench", model, "--batch", "1", "--seconds", "0.1"),
        ("analyze", "residual_mlp", "--variance", "--measure", "--set", "blocks=1"),
        ("analyze", "residual_mlp", "--variance", "--across", "init", "--set", "blocks=1"),
        ("report", "residual_mlp", "--set", "blocks=1", "-o", model.parent / "r.html"),
    ):
        before = len(shown)
        result = CliRunner().invoke(app, list(map(str, words)))
        assert result.exit_code == 0, result.output
        assert len(shown) == before + 1, words


def test_evaluate_says_at_once_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("no spec")
    (tmp_path / "weights.safetensors").write_text("no weights")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert str(result.exception) == f"{tmp_path} has no model.onnx: run `archspec export` first"


def test_shattering_refuses_images_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(what: str) -> None:
        raise AssertionError(what)

    monkeypatch.setattr(progress, "follow_steps", start)
    result = CliRunner().invoke(app, ["shattering", "mlp", "resnet18"])
    assert "resnet18 takes 3×224×224; a line through the inputs needs one vector" in str(result.exception)
    assert "It takes networks of one vector" in CliRunner().invoke(app, ["shattering", "--help"]).output
