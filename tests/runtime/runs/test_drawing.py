"""The curves and the page of a run lie in its folder, and what else has their names there stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.runs.drawing import draw_run
from tests.support.recorded_runs import write_run


def test_a_run_is_drawn_and_drawn_anew(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", end=False)
    draw_run(folder)
    first = (folder / "index.html").read_text(encoding="utf-8")
    draw_run(folder)
    assert (folder / "index.html").read_text(encoding="utf-8") == first
    assert "not finished" in first
    assert (folder / "curves.svg").is_file()


@pytest.mark.parametrize("name", ["index.html", "curves.svg"])
def test_what_the_user_has_there_stays(tmp_path: Path, name: str) -> None:
    folder = write_run(tmp_path / "run")
    (folder / name).write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="move it away"):
        draw_run(folder)
    assert (folder / name).read_text(encoding="utf-8") == "mine"
