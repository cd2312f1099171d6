"""shattering, surface and lesion, as a user types them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from archspec.cli.main import app
from runtime.training.run import Run
from tests.support.commands import refuse


def test_an_interrupted_command_leaves_no_file(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*words: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("runtime.experiments.surface.walk", stop)
    monkeypatch.setattr("runtime.export.export._prove", stop)
    for words in (
        ("surface", run.folder, "-o", "s.svg"),
        ("lesion", run.folder, "--max-drop=50%", "--model", "m.onnx"),
    ):
        *before, name = map(str, words)
        result = CliRunner().invoke(app, [*before, str(tmp_path / name)])
        assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_what_is_refused(run: Run, tmp_path: Path) -> None:
    twin = run.folder / "plain"
    refuse("takes 1×8×8; a line through the inputs needs one vector", "shattering", "resnet_digits")
    refuse("did you mean 'mlp'?", "shattering", "mlpp")
    refuse("the spec has no `depth` in params", "shattering", "mlp:depth=3")
    refuse("name it FILE.svg", "shattering", "mlp", "-o", tmp_path / "curve.png")
    refuse("has no spec.yaml", "surface", tmp_path)
    refuse("--images is a number of training images", "surface", run.folder, "--images", "5", "--held-out")
    refuse("an odd number of points", "surface", run.folder, "--points", "4")
    refuse("name it FILE.svg", "lesion", run.folder, "-o", tmp_path / "x.pdf")
    refuse("give one", "lesion", run.folder, "--model", tmp_path / "small.onnx")
    refuse("a share below 1", "lesion", run.folder, "--max-drop", "2")
    refuse("has no weights.safetensors", "lesion", run.folder, "--plain", _without_weights(run, tmp_path / "bare"))
    refuse("has no `residual`", "lesion", twin, "--plain", "train")
    refuse(f"{twin} holds a run already: --plain {twin} measures", "lesion", run.folder, "--plain", "train")
    refuse(
        "can be left out within 0 of its accuracy",
        "lesion",
        twin,
        "--max-drop",
        "0",
        "--model",
        tmp_path / "small.onnx",
    )
    assert not list(tmp_path.glob("*.onnx"))


def _without_weights(run: Run, folder: Path) -> Path:
    folder.mkdir()
    (folder / "spec.yaml").write_bytes((run.folder / "spec.yaml").read_bytes())
    return folder
