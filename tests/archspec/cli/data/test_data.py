"""The commands `data list` and `data check`."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from tests.support.commands import run
from tests.support.folders import write_class_folders, write_mask_pairs


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


def test_sound_data_are_told_and_drawn(tmp_path: Path) -> None:
    masks = write_mask_pairs(tmp_path / "d", [f"{number}" for number in range(10)])
    out = tmp_path / "sheet.png"
    shown = run("data", "check", str(tmp_path / "d"), "--sheet", str(out))
    assert "10 images for the task maps (train 8, test 2; 0.2 held out by seed 0)" in shown
    assert "nothing is wrong" in shown
    with Image.open(out) as picture:
        assert picture.size[0] > 300
    found = json.loads(run("data", "check", str(tmp_path / "d"), "--json"))
    assert (found["parts"], found["bad"], found["findings"]) == ({"train": 8, "test": 2}, False, {})
    assert len(masks) == sum(found["parts"].values())


def test_what_lists_leave_out_is_noted(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "train.txt").write_text("a/000.png\nb/000.png")
    (tmp_path / "test.txt").write_text("a/001.png\nb/001.png")
    shown = run("data", "check", str(tmp_path))
    assert "1 finding: left out, as lists, data.yaml or annotations say" in shown
    assert "2 images of" in shown
    assert shown.endswith("nothing is wrong\n")
    (tmp_path / "loose.png").write_bytes((tmp_path / "a/002.png").read_bytes())
    assert "1 finding: left out, though nothing says so" in run("data", "check", str(tmp_path), expect=1)


def test_what_is_wrong_ends_with_1(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2})
    (tmp_path / "test/a/twin.png").write_bytes((tmp_path / "train/a/000.png").read_bytes())
    (tmp_path / "train/b/bad.png").write_text("")
    shown = run("data", "check", str(tmp_path), expect=1)
    assert "1 finding: in two parts" in shown
    assert "1 finding: cannot be read, or do not fit" in shown
    assert json.loads(run("data", "check", str(tmp_path), "--json", expect=1))["bad"]
