"""The curves of runs, held against the numbers of their metrics."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.runs import curves
from runtime.runs.curves import draw_curves
from runtime.runs.record import RunRecord
from tests.support.recorded_runs import write_run


def read_texts(svg: str) -> list[str]:
    return ["".join(item.itertext()).strip() for item in ET.fromstring(svg).iter() if item.tag.endswith("text")]


def test_a_panel_for_each_figure_and_a_line_for_each_run(tmp_path: Path) -> None:
    runs = [RunRecord.read(write_run(tmp_path / name, rate=rate)) for name, rate in (("a", 0.1), ("b", 0.2))]
    texts = read_texts(draw_curves(runs))
    assert {"loss", "accuracy", "learning rate", "gradient norm", "update ratio", "validation"} <= set(texts)
    assert {"a", "b"} <= set(texts)
    assert draw_curves(runs) == draw_curves(runs), "the same bytes each time"


def test_curves_hold_the_numbers_of_the_metrics(tmp_path: Path) -> None:
    run = RunRecord.read(write_run(tmp_path / "run"))
    (curve,) = curves._find_steps(run, "loss")
    assert curve.values == pytest.approx([2.0 * 0.5 ** (step / 10) for step in range(1, 31)])
    assert {one.part for one in curves._find_scores(run, "accuracy")} == {"training", "validation"}


def test_long_curves_are_means_of_equal_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "MAX_POINTS", 3)
    assert curves._thin([1.0, 3.0, 5.0, 7.0, 9.0]) == [2.0, 6.0, 9.0]


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [RunRecord.read(write_run(tmp_path / name / "run")) for name in ("first", "second")]
    texts = read_texts(draw_curves(runs))
    assert [sum(text.endswith(f"{name}/run") for text in texts) for name in ("first", "second")] == [1, 1]


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "metrics.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="not one step"):
        draw_curves([RunRecord.read(folder)])
