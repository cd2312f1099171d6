"""What a command prints to be run next runs, whatever the files are called."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from archspec.files import as_argument
from tests.support.commands import archspec, refuse


def commands_in(output: str) -> list[list[str]]:
    _, _, said = output.partition("next: archspec ")
    return [shlex.split(command) for command in said.strip().split(" && archspec ")]


@pytest.mark.parametrize("name", ["-dash", "two words", "it's $HOME", "-- all 'of it'"])
def test_next_commands_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands_in(archspec("init", "--", f"{name}.yaml")):
        archspec(*command)

    output = archspec("export", "residual_mlp", "--set", "blocks=1", f"--output={name}.onnx", "--no-verify")
    (command,) = commands_in(output)
    assert command[0] == "tune"
    archspec("bench", command[1], "--batch", "1", "--seconds", "0.1")

    words = ("--vary", "width=1..8", "--budget", "params <= 5000", f"--output={name} small.yaml")
    (command,) = commands_in(archspec("fit", "residual_mlp", *words))
    archspec(*command)


def test_the_control_is_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archspec("init", "--", "-net.yaml")
    refuse("No such option", "check", "-net.yaml")
    assert as_argument("-net.yaml") == "./-net.yaml"
    hostile = "-a\x1b[31m'\\\n\x9b \u202e$(x)7.yaml"
    word = as_argument(hostile)
    assert word.isprintable()
    if shell := shutil.which("bash"):
        found = subprocess.run([shell, "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
        assert found.decode() == f"./{hostile}"
    assert as_argument("net.yaml") == as_argument(Path("net.yaml")) == "net.yaml"
