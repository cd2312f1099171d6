"""A file to write is named by a file's name: what names a folder is refused before anything is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.cli.main import app
from archspec.errors import ArchspecError
from archspec.files import check_absent, check_file_name, write_text
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import NAMES, archspec, find_command, refuse

COMMANDS = {
    ("export", "--output"): ("export nothing", "model.onnx"),
    ("draw", "--output"): ("draw nothing", "network.svg"),
    ("report", "--output"): ("report nothing", "report.html"),
    ("unravel", "--output"): ("unravel nothing", "paths.svg"),
    ("fit", "--output"): ("fit nothing --vary width --budget params<=1", "variant.yaml"),
    ("weights convert", "--output"): ("weights convert nothing --to nothing", "weights.safetensors"),
    ("weights graft", "--output"): ("weights graft nothing --into a=nothing", "weights.safetensors"),
    ("shattering", "--output"): ("shattering nothing", "result.svg"),
    ("surface", "--output"): ("surface nothing", "result.svg"),
    ("lesion", "--model"): ("lesion nothing --max-drop 1%", "model.onnx"),
    ("lesion", "--output"): ("lesion nothing", "result.svg"),
    ("runs compare", "--output"): ("runs compare nothing nowhere", "result.svg"),
    ("init", ""): ("init", "network.yaml"),
}
"""By command and option, of networks that are not there: whoever looks for them says so."""

FOLDERS = {("train", "--output"), ("run", "--pictures"), ("run", "--output")}
"""Which name a folder; that of `run` does for volumes."""


@pytest.mark.parametrize(("option", "words", "example"), [(key[1], *value) for key, value in COMMANDS.items()])
def test_a_name_of_a_folder_is_refused_before_any_work(
    option: str, words: str, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    command = [*words.split(), *([option] if option else [])]
    for name in ("new/", "a/new/", "there", "there/", "link", "there/.", "..", "new/.."):
        inside = f"{name}{'' if name.endswith('/') else '/'}{example}"
        refuse(f"{name} names a folder; give a file in it, as in {inside}", *command, name)
    refuse(f"an empty text names no file; give one, as in {example}", *command, "")
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]
    assert os.listdir(tmp_path / "there") == []


def list_outputs(name: str) -> set[tuple[str, str]]:
    command: Any = find_command(name.split())[0]
    words = {word for param in command.params for word in param.opts}
    return {(name, word) for word in words & {"--output", "--model", "--pictures"}}


def test_every_option_that_names_a_file_is_among_them() -> None:
    assert get_command(app).name == "archspec"
    found = {pair for name in NAMES for pair in list_outputs(name)}
    assert found | {("init", "")} == COMMANDS.keys() | FOLDERS


def test_what_is_proposed_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    archspec("draw", "mlp", "-o", "there/network.svg")
    archspec("init", "new/network.yaml")
    assert (tmp_path / "there/network.svg").is_file()
    assert (tmp_path / "new/network.yaml").is_file()
    (tmp_path / "-").mkdir()
    assert "<svg" in archspec("draw", "mlp", "-o", "-", "--format", "svg")  # the standard output all the same


def test_nor_does_python_take_a_folder(tmp_path: Path) -> None:
    graph = elaborate(load("residual_mlp", {"blocks": 1}))
    weights = to_torch(graph).state_dict()
    new = os.path.join(tmp_path, "new", "")
    for name in (new, tmp_path):
        advice = os.path.join(name, "model.onnx")
        with pytest.raises(ArchspecError, match="names a folder; give a file in it, as in ") as caught:
            to_onnx(graph, weights, name, verify=False)
        assert str(caught.value).endswith(advice)
        writers: tuple[Callable[[str | Path], object], ...] = (
            lambda path: save_weights(path, {"w": np.ones(2)}, {}),
            lambda path: write_text(path, "text"),
            lambda path: check_absent(path, force=False),
            lambda path: check_absent(path, force=True),
        )
        for write in writers:
            with pytest.raises(ArchspecError, match=r"names a folder; give a file in it, as in .*NAME"):
                write(name)
    assert list(tmp_path.iterdir()) == []
    check_file_name(tmp_path / "new")  # as a Path knows it, the control


def test_a_folder_is_not_in_the_place_of_a_file(tmp_path: Path) -> None:
    """The other way round: a run's folder, and one of pictures."""
    (tmp_path / "file").write_text("mine")
    refuse("is not a folder", "train", "resnet_digits", "--data", "digits", "-o", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
