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
from archspec.cli.progress import follow_training, show_work, write_left
from runtime.training.metrics import Progress


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
    export = f"archspec export {tmp_path}/spec.yaml --weights {tmp_path}/weights.safetensors -o {tmp_path}/model.onnx"
    assert str(result.exception) == f"{tmp_path} has no model.onnx: make it first: {export}"


def test_shattering_refuses_images_before_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(what: str) -> None:
        raise AssertionError(what)

    monkeypatch.setattr(progress, "follow_steps", start)
    result = CliRunner().invoke(app, ["shattering", "mlp", "resnet18"])
    assert "resnet18 takes 3×224×224; a line through the inputs needs one vector" in str(result.exception)
    assert "It takes networks of one vector" in CliRunner().invoke(app, ["shattering", "--help"]).output


def make_step(step: int, memory: int | None = 3 << 20) -> Progress:
    return Progress(-(-step // 10), 3, step, 30, 0.5, "mean_iou", 0.25, 0.1, 1234.0, 75.0, memory)


def test_a_training_tells_all_its_figures_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with follow_training() as follower:
        follower.on_step(make_step(12))
    said = stream.getvalue()
    for word in (
        "epoch 2/3",
        "step 12/30",
        "loss 0.5000",
        "mean iou 0.2500",
        "1234 samples/s",
        "1:15 min left",
        "3.15 MB",
    ):
        assert word in said


def test_the_images_that_are_read_before_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    with follow_training() as follower:
        follower.on_read(3_000, 60_000)
    assert all(words in stream.getvalue() for words in ("reading images", "3,000 of 60,000"))


def test_elsewhere_it_has_a_line_for_some_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with follow_training() as follower:
        follower.on_read(1, 2)
        for step in range(1, 31):
            follower.on_step(make_step(step, None))
    assert [line[:11] for line in stream.getvalue().splitlines()] == ["epoch   1/3", "epoch   2/3", "epoch   3/3"]


def test_the_time_that_is_left_is_written_in_units_that_fit() -> None:
    assert [write_left(seconds) for seconds in (0.4, 59.6, 119.9, 3600 * 25)] == [
        "0 s",
        "1:00 min",
        "2:00 min",
        "25:00 h",
    ]
