"""The picture of an experiment is drawn where one is asked for, of all results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.cli.experiments.picture import draw_results


def test_a_picture_of_all_results_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "picture.svg"
    draw_results(path, lambda results: f"<svg>{sum(results)}</svg>", [1, 2, 3])
    assert path.read_text(encoding="utf-8") == "<svg>6</svg>"


def test_nothing_is_drawn_unasked() -> None:
    drawn: list[Sequence[int]] = []

    def draw(results: Sequence[int]) -> str:
        drawn.append(results)
        return ""

    draw_results(None, draw, [1])
    assert drawn == []
