"""The command surface."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from runtime.training.run import Run
from tests.support.commands import archspec


def test_surface(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "surface.svg"
    words = ("surface", run.folder, run.folder / "plain", "--points", "5", "--images", "64", "--threads", "1")
    rows = archspec(*words, "--json", "-o", picture)
    assert [row["name"] for row in rows] == ["resnet_digits", "resnet_digits_plain"]
    assert np.array(rows[0]["losses"]).shape == (5, 5)
    assert rows[0]["losses"][2][2] == rows[0]["centre"]
    assert rows[0]["images"] == 64
    assert "resnet_digits_plain" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec(*words)
    assert "over 64 training images, on 5 × 5 points" in text
    alike = archspec("surface", run.folder, run.folder, "--points=3", "--held-out", "--span=0.1", "--json")
    assert [row["name"] for row in alike] == [str(run.folder)] * 2, "of one name, so by their folders"
    assert alike[0]["part"] == "test"
