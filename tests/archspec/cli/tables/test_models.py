"""What is printed of times, evaluations, and the state of an installation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archspec.cli.tables.models import print_bench, print_doctor, print_evaluation
from runtime.doctor import Diagnosis, ProviderAttempt
from runtime.evaluation.evaluate import Evaluation
from runtime.evaluation.monte_carlo import MonteCarlo
from runtime.measuring.bench import BatchTiming
from runtime.tasks.task import ClassScore
from tests.support.tables import read_rows

SESSION: Any = SimpleNamespace(
    provider="cpu", loaded="m.onnx", settings="threads 1", settings_source="given", describe_inputs=lambda: "x (1, 3)"
)


def test_times_are_a_row_for_each_batch(capsys: pytest.CaptureFixture[str]) -> None:
    print_bench(
        [BatchTiming(1, 1.0, 2.0, 3.0, 1.5, 666.6, 1_000), BatchTiming(8, 4.0, 5.0, 6.0, 4.5, 1777.7, 500)], SESSION
    )
    rows = read_rows(capsys)
    assert rows[1] == ["1", "1.000", "2.000", "3.000", "1.500", "667", "1,000"]
    assert rows[2][0] == "8"
    assert rows[3][0].startswith("ran on cpu; ")
    assert rows[-1][0].startswith("images/s is of all runs together")


def test_without_a_free_axis_samples_are_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    print_bench([BatchTiming(None, 1.0, 2.0, 3.0, 1.5, None, 10)], SESSION)
    text = capsys.readouterr().out
    assert "no input has a free first axis, so samples are not counted: x (1, 3)" in text
    assert "images/s is of all runs" not in text


def evaluation(monte_carlo: MonteCarlo | None = None, classes: tuple[ClassScore, ...] = ()) -> Evaluation:
    scores = {"accuracy": 0.95}
    return Evaluation(
        *("digits", "labels", "cpu", None, 360, scores, {"accuracy": 0.9}, classes, "images", 360, 342, 0.5, 1e-3),
        *({1: 0.25}, 12_345, "predictions.png", ("a.png",), True, monte_carlo),
    )


def test_torch_and_the_file_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(evaluation(), Path("run"))
    rows = read_rows(capsys)
    assert rows[0] == ["360 held-out images", "torch", "ONNX Runtime"]
    assert rows[1] == ["test accuracy", "0.9500", "0.9000"]
    assert rows[2] == ["equal predictions", "342 of 360"]
    assert ["largest difference of logits", "5.0e-01"] in rows
    assert ["file size", "12,345 bytes"] in rows
    assert rows[-1] == ["ran on cpu; pictures: predictions.png and 1 in run/samples"]


def test_each_class_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    """In their order; of more than fit, those that are asked most."""
    few = (
        ClassScore("a cat", 7, {"recall": 0.5, "precision": None}),
        ClassScore("a dog", 1_300, {"recall": 1.0, "precision": 0.25}),
    )
    print_evaluation(evaluation(classes=few), Path("run"))
    rows = read_rows(capsys)[-3:]
    assert rows[0] == ["class", "images asked", "recall", "precision"]
    assert rows[1] == ["a cat", "7", "0.5000", "-"]
    assert rows[2] == ["a dog", "1,300", "1.0000", "0.2500"]
    many = tuple(ClassScore(f"c{number}", number, {"recall": 0.5}) for number in range(100))
    print_evaluation(evaluation(classes=many), Path("run"))
    rows = read_rows(capsys)
    assert [row[0] for row in rows[-33:-1]] == [f"c{number}" for number in range(99, 67, -1)]
    assert rows[-1] == ["the 32 that are asked most, of 100; --json lists all"]


def test_monte_carlo_has_a_table_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(evaluation(MonteCarlo(20, 32, 0, 0.9, 0.91, -0.3, -0.2, 0.05, 0.4)), Path("run"))
    rows = read_rows(capsys)
    assert ["batch normalization by", "running statistics", "20 mini-batches of 32"] in rows
    assert ["mean log-likelihood", "-0.3000", "-0.2000"] in rows


@pytest.mark.parametrize(
    ("silencer", "says"), [(None, "=1 turns it off)"), ("CI", "which tells nothing where CI is set)")]
)
def test_the_doctor_says_what_is_there_and_what_to_do(
    silencer: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = (ProviderAttempt("cpu", True), ProviderAttempt("cuda", False, "no driver"))
    versions: dict[str, str | None] = {"torch": "2.13", "matplotlib": None}
    report = Diagnosis(
        python="3.11",
        platform="linux",
        versions=versions,
        compiler="g++",
        runtimes={"onnxruntime": "1.27"},
        available=("cpu",),
        attempts=attempts,
        gpus=(),
        cpu=("avx2",),
        cores="2 cores",
        telemetry="on",
        silencer=silencer,
        advice=("install a driver",),
    )
    print_doctor(report)
    rows = read_rows(capsys)
    assert ["torch", "2.13"] in rows
    assert ["matplotlib", "not installed"] in rows
    assert ["cuda", "does not work", "no driver"] in rows
    assert rows[-1] == ["→ install a driver"]
    assert next(row for row in rows if row[0] == "telemetry")[1].endswith(says)
