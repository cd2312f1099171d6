"""The page of a run: whole, offline, and nothing of it is markup that a run could bring in."""

from __future__ import annotations

import re
from pathlib import Path

from runtime.runs.page import write_run_page
from runtime.runs.record import RunRecord
from tests.support.recorded_runs import write_run

CURVES = "<svg></svg>"


def test_the_page_has_everything_and_asks_for_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "samples.png").write_bytes(b"\x89PNG")
    page = write_run_page(RunRecord.read(folder), CURVES)
    for part in ("0.7500", "0.8000", "<svg", "data:image/png;base64,iVBORw", "optimizer: {name: sgd", 'class="best"'):
        assert part in page
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert "default-src 'none'" in page


def test_names_from_files_are_text(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "spec.yaml").write_text("name: <script>alert(1)</script>\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text("description: </pre><script>\n", encoding="utf-8")
    assert "<script" not in write_run_page(RunRecord.read(folder), CURVES)


def test_a_run_without_pictures_or_recipe_has_a_page(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", end=False)
    (folder / "recipe.yaml").unlink()
    page = write_run_page(RunRecord.read(folder), CURVES)
    assert "not finished" in page
    assert "<img" not in page
