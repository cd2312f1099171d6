"""The commands `data list` and `data check`."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import run
from tests.support.folders import write_class_folders


def test_sets_are_listed_with_what_brings_them(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "pets", {"cat": 2, "dog": 2})
    found = {item["name"]: item for item in json.loads(run("data", "list", "--data-dir", str(tmp_path), "--json"))}
    assert found["digits"]["here"]
    assert not found["cifar100"]["here"]
    assert "curl" in found["cifar100"]["command"]
    assert found[str(tmp_path / "pets")]["task"] == "labels"
    shown = run("data", "list", "--data-dir", str(tmp_path))
    assert "what brings the others:" in shown
    assert str(tmp_path / "pets") in shown
