"""The list of checkpoints says what it said, or that it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import ModelError
from runtime.training.manifest import Checkpoint, Manifest, is_checkpoint_name, name_checkpoint
from runtime.training.run_folder import MANIFEST
from runtime.training.tensor_file import StoredFile

FILES = {name: StoredFile(7, "ab" * 32) for name in ("weights.safetensors", "optimizer.safetensors", "state.json")}
ROWS = tuple(Checkpoint(name_checkpoint(step), step, FILES) for step in (5, 10))
LIST = Manifest({"recipe": {"lr": 0.1}}, ROWS, "00000005")


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    LIST.write(tmp_path)
    assert Manifest.read(tmp_path) == LIST
    assert LIST.last == ROWS[1]
    assert LIST.find("00000005") == ROWS[0]
    assert LIST.find("00000006") is LIST.find(None) is Manifest({}).last is None
    found = json.loads((tmp_path / MANIFEST).read_text())
    assert (found["last"], found["best"]) == ("00000010", "00000005")


def test_a_list_that_is_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    LIST.write(tmp_path)
    data = (tmp_path / MANIFEST).read_bytes()
    for length in range(len(data) - 1):  # but for the last line break
        (tmp_path / MANIFEST).write_bytes(data[:length])
        with pytest.raises(ModelError, match="manifest"):
            Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"last": "00000005"}, "'last' is not the last"),
        ({"best": "00000006"}, "the best checkpoint is not among them"),
        ({"format": 2}, "'format' must be between 1 and 1"),
        ({"format": "1"}, "must be an integer"),
        ({"more": 1}, "has the unknown key 'more'"),
        ({"settings": []}, "'settings' must be an object"),
        ({"checkpoints": [{"name": "../../etc", "step": 5, "files": {}}]}, "must be called 00000005"),
        ({"checkpoints": [{"name": "00000005", "step": 5, "files": {"../x": {}}}]}, "unknown key '../x'"),
        ({"checkpoints": [{"name": "00000005", "step": 5, "files": {}}]}, "lacks the key 'weights.safetensors'"),
        ({"checkpoints": [7]}, "must be a JSON object"),
    ],
)
def test_a_list_that_says_something_else_is_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    LIST.write(tmp_path)
    found = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(found | change))
    with pytest.raises(ModelError, match=said):
        Manifest.read(tmp_path)
    with pytest.raises(ModelError, match="does not exist"):
        Manifest.read(tmp_path / "nowhere")


def test_names_are_in_the_order_of_steps() -> None:
    names = [name_checkpoint(step) for step in (0, 9, 10, 12345678)]
    assert names == sorted(names)
    assert all(map(is_checkpoint_name, names))
    assert not any(map(is_checkpoint_name, ("5", "0000000a", "00000005.", "latest")))
