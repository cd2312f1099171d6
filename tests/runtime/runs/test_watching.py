"""A training is drawn while it goes on, and told to TensorBoard, whose own reader is the witness."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import archspec
from runtime.recipes.recipe import Recipe
from runtime.runs.record import RunRecord
from runtime.runs.watching import EVENTS, EventWriter, RunPainter
from runtime.training.callbacks import TrainingCallback
from tests.support.metrics import read_metrics

RECIPE = Recipe(epochs=2, batch=500, threads=1)


def train(folder: Path, *callbacks: TrainingCallback) -> None:
    spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    archspec.train(spec, "digits", RECIPE, folder=folder, callbacks=callbacks)


def test_a_run_has_curves_a_page_and_events(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tmp_path, RunPainter(tmp_path), EventWriter(tmp_path))
    run = RunRecord.read(tmp_path)
    assert "finished" in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "curves.svg").read_text(encoding="utf-8").startswith("<svg ")
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    for name, part in (("loss", "training/loss"), ("learning_rate", "training/learning_rate")):
        told = [(event.step, event.value) for event in events.Scalars(part)]
        for row in run.steps:
            assert any(step == row["step"] and value == pytest.approx(row[name]) for step, value in told)
    (last,) = {event.value for event in events.Scalars("test/accuracy") if event.step == run.last_step}
    assert last == pytest.approx(run.score("test"))


def test_what_the_user_has_under_their_names_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "index.html").write_text("mine", encoding="utf-8")
    with caplog.at_level(logging.WARNING, "archspec"):
        train(tmp_path, RunPainter(tmp_path))
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == "mine"
    assert any("are not drawn" in record.getMessage() for record in caplog.records)
    assert read_metrics(tmp_path / "metrics.jsonl")[-1]["kind"] == "end"
