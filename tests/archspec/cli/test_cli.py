"""The command line, as a user types it: words, exit codes, JSON, and what is never loaded."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from archspec.cli.main import app
from tests.support.commands import archspec, run_process

HEAVY = ("torch", "onnx", "onnxruntime", "sklearn", "PIL")
COMMANDS = {
    *("check", "list", "show", "init", "schema", "lint", "explain"),
    *("analyze", "unravel", "diff", "assert", "fit", "draw", "report"),
    *("train", "export", "verify", "evaluate", "run", "bench", "tune", "doctor"),
    *("shattering", "surface", "lesion"),
}


def test_the_commands_are_these() -> None:
    """Scripts depend on them: a change here is a change for users."""
    group: Any = get_command(app)
    assert {*group.commands} == {*COMMANDS, "weights", "runs", "data"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert not re.search(r" \.\s", result.output)  # a word in brackets would be taken for markup, and be gone


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), ("check", "resnet18"), ("analyze", "resnet18", "--json"), ("show", "se_net")]
)
def test_nothing_heavy_is_loaded(words: tuple[str, ...]) -> None:
    code = f"""
import sys
from archspec.cli.main import main
sys.argv = ["archspec", *{words!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_help_keeps_what_stands_in_brackets() -> None:
    """rich would read `[x]` as markup."""
    assert "y = x + f1[x] + f2[x + f1[x]] + …" in run_process("unravel", "--help")


def test_the_whole_way_by_hand(tmp_path: Path) -> None:
    """train, export, evaluate, run, bench; an epoch is enough to see that each step feeds the next. The first and the
    last in processes of their own, as every command is tested somewhere."""
    run = tmp_path / "run"
    output = run_process(
        "train", "resnet_digits", "--data", "digits", "-o", run, "--epochs", "1", "--set", "widths=[4,8,8]"
    )
    assert "test accuracy" in output
    weights, model = run / "weights.safetensors", run / "model.onnx"
    spec = run / "spec.yaml"
    assert archspec("check", spec).strip() == f"{spec}: ok"
    exported = archspec("export", spec, "--weights", weights, "-o", model, "--json")
    assert exported["trained"] is True
    assert exported["proof"]["worst"] < 1e-4
    again = tmp_path / "again.onnx"
    archspec("export", spec, "--weights", weights, "-o", again, "--no-verify")
    assert again.read_bytes() == model.read_bytes()
    found = archspec("evaluate", run, "--json")
    assert found["equal_predictions"] == found["test_images"] == 360
    samples = sorted((run / "samples").glob("*.png"))
    rows = json.loads(subprocess_stdout("run", model, *samples, "--json"))
    assert len(rows) == len(samples) == 10
    assert all(0 <= row["probability"] <= 1 for row in rows)
    run_process("bench", model, "--batch", "2", "--seconds", "0.1")
    assert (run / "predictions.png").stat().st_size > 1000


def test_raw_outputs_are_kept(tmp_path: Path) -> None:
    model, array, kept = tmp_path / "m.onnx", tmp_path / "x.npy", tmp_path / "y.npz"
    run_process("export", "residual_mlp", "-o", model)
    np.save(array, np.ones((2, 100), np.float32))
    assert "wrote" in run_process("run", model, array, "-o", kept)
    with np.load(kept) as outputs:
        assert outputs["output"].shape == (2, 1)


def test_names_are_printed_as_they_are(tmp_path: Path) -> None:
    """rich would read markup and emoji in them, and stumble over an end without a start."""
    run_process("export", "residual_mlp", "-o", tmp_path / "m.onnx")
    (tmp_path / "[red]x[").mkdir()
    names = ("[red]x[/y].npy", ":cat:.npy")
    for name in names:
        np.save(tmp_path / name, np.ones((1, 100), np.float32))
    output = run_process("run", "m.onnx", *names, cwd=tmp_path)
    assert all(name in output for name in names)


def test_a_name_with_an_escape_sequence_is_refused(tmp_path: Path) -> None:
    for name in ("\\e[31mred", "\\u202eder"):
        text = f'archspec: 1\nname: "{name}"\ninputs: {{x: [3]}}\nnetwork: [relu]\n'
        (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
        output = run_process("analyze", tmp_path / "net.yaml", expect=2)
        assert "net.yaml:2:7: error[bad-value]: `name` of a document should be one line" in output
        assert "\x1b" not in output
        assert "\u202e" not in output


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """As /dev/null, which root could replace."""
    os.mkfifo(tmp_path / "pipe.svg")
    assert "it is no regular file" in run_process("draw", "mlp", "-o", "pipe.svg", expect=2, cwd=tmp_path)
    assert (tmp_path / "pipe.svg").is_fifo()


def test_tables_keep_to_the_columns_that_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    lines = run_process("analyze", "resnet18", "--paths", "--receptive-field", "--memory").splitlines()
    assert max(map(len, lines)) <= 70
    assert "repeat_0.i0.repeat_0.i0.basic_block_0" in "".join(lines).replace(" ", "")


def subprocess_stdout(*words: str | Path) -> str:
    """Standard output alone: a missing GPU is said on the other one."""
    command = [sys.executable, "-m", "archspec", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
