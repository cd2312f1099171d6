"""What goes wrong under `--json` is JSON on stdout, for every command that has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.spec.codes import FAILURES, MISTAKES

KEYS = {"code", "message", "file", "line", "column", "calls"}
WORDS = {
    "check": ("nowhere.yaml",),
    "list": ("nothing_of_the_kind",),
    "explain": ("no-code",),
    "assert": ("nowhere.yaml", "params < 1"),
    "diff": ("nowhere.yaml", "mlp"),
    "fit": ("nowhere.yaml", "--vary", "width", "--budget", "params <= 1"),
    "train": ("nowhere.yaml", "--data", "digits"),
    "run": ("nowhere.onnx", "nowhere.npy"),
    "bench": ("nowhere.onnx",),
    "tune": ("nowhere.onnx",),
    "doctor": ("--no-such-option",),
    "weights": ("convert", "nowhere.pth", "--to", "nowhere.yaml", "-o", "w.safetensors"),
    "shattering": ("nowhere.yaml",),
}
HAVE_NO_JSON = {"init", "schema", "draw", "report"}
"""Their result is a file, or is JSON."""
ANSWER = {"lint", "verify", "check"}
"""Mistakes are what they answer with."""


@pytest.mark.parametrize("command", sorted(set(get_command(app).commands) - HAVE_NO_JSON - ANSWER))  # type: ignore[attr-defined]
def test_an_error_is_data(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, [command, *WORDS.get(command, ("nowhere.yaml",)), "--json"])
    assert result.exit_code == 2, result.output
    (error,) = json.loads(result.stdout)["errors"]
    assert error.keys() == KEYS
    assert error["code"] in {code.code for code in (*MISTAKES, *FAILURES)}


def test_mistakes_keep_their_places(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("archspec: 1\ninputs: {x: [3]}\nnetwork:\n  - rellu\n  - linear: {outs: 3}\n")
    result = CliRunner().invoke(app, ["analyze", str(path), "--json"])
    errors = json.loads(result.stdout)["errors"]
    assert errors == json.loads(CliRunner().invoke(app, ["check", str(path), "--json"]).stdout)
    assert [(error["code"], error["line"]) for error in errors] == [("unknown-node", 4), ("unknown-field", 5)]


@pytest.mark.parametrize(
    "words", [("analyse", "mlp"), ("analyze", "mlp", "--sets", "x"), ("analyze", "mlp", "--set", "x")]
)
def test_wrong_usage_is_data_too(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*words, "--json"])
    (error,) = json.loads(result.stdout)["errors"]
    assert (result.exit_code, error["code"], error["line"]) == (2, "usage", None)
