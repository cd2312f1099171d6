"""run on volumes: a table, a folder of labels, pictures, and nothing of anybody's replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from archspec.cli.main import app
from archspec.errors import InputError
from tests.support.phantoms import draw_spheres, write_nifti
from tests.support.volume_models import THRESHOLDS, open_thresholds

VALUES, _ = draw_spheres((20, 24, 28), 5, 3)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["run", "thresholds.onnx", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    open_thresholds(tmp_path)
    (tmp_path / "in").mkdir()
    write_nifti(tmp_path / "in" / "a.nii.gz", VALUES, "LPS")
    np.save(tmp_path / "in" / "b.npy", VALUES)
    (tmp_path / "in" / "c.nii").write_bytes(b"broken")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_of_labels(folder: Path) -> None:
    result = run("in", "-o", "out/", "--pictures", "drawn")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {Path('in', 'c.nii')} is no NIfTI file")
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:2]] == [[str(Path("in", "a.nii.gz")), "28×24×20"]]
    assert "pictures of 2 in drawn/" in result.stdout
    assert "wrote 2 label volumes into out" in result.stdout
    assert sorted(os.listdir("out")) == ["a.nii.gz", "b.npy"]
    np.testing.assert_array_equal(np.load("out/b.npy"), np.digitize(VALUES, THRESHOLDS))
    assert sorted(os.listdir("drawn")) == ["0-a.nii.png", "1-b.png", "key.json"]


def test_nothing_is_replaced(folder: Path) -> None:
    before = (folder / "in" / "a.nii.gz").read_bytes()
    with pytest.raises(InputError, match=r"a.nii.gz is there already: name another folder"):
        run("in/a.nii.gz", "-o", "in")
    assert (folder / "in" / "a.nii.gz").read_bytes() == before


def test_numbers_and_json(folder: Path) -> None:
    result = run("in/b.npy", "--json", "-o", "kept.npz")
    (row,) = json.loads(result.stdout)
    assert row["extents"] == [20, 24, 28]
    assert [share["class"] for share in row["shares"]] == ["rest", "dark", "bright"]
    with np.load("kept.npz") as kept:
        np.testing.assert_array_equal(kept["answer"], np.digitize(VALUES, THRESHOLDS))


def test_options_of_pictures_are_refused(folder: Path) -> None:
    for words in (["--resize"], ["--ground", "white"]):
        result = run("in/b.npy", *words)
        assert result.exit_code == 2
        assert words[0] in result.stderr
