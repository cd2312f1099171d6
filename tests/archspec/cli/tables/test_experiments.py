"""What is printed of experiments: the numbers of their results, at chosen distances."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.cli.tables.experiments import print_files, print_lesions, print_shattering, print_surfaces
from runtime.experiments.lesion import Lesion, Removal
from runtime.experiments.pruning import FileComparison
from runtime.experiments.shattering import Shattering
from runtime.experiments.surface import Surface
from runtime.tasks.registry import find_task
from tests.support.tables import read_rows

DISTANCES = np.linspace(0, 2, 33)


def test_correlation_falls_with_distance(capsys: pytest.CaptureFixture[str]) -> None:
    """Of exp(-d): a half at ln 2."""
    print_shattering([Shattering("net", 3, 8, 2, 0, DISTANCES, np.exp(-DISTANCES), np.zeros(33))], Path("p.svg"))
    head, row, note, wrote = read_rows(capsys)
    assert head[2:7] == ["r(0.125)", "r(0.25)", "r(0.5)", "r(1)", "r(2)"]
    assert row[2:7] == [f"{np.exp(-distance):.3f}" for distance in (0.125, 0.25, 0.5, 1, 2)]
    assert float(row[7]) == pytest.approx(np.log(2), abs=0.002)
    assert note[0].startswith("r(d): mean correlation")
    assert wrote == ["wrote p.svg"]


def test_a_curve_that_stays_high_has_no_half(capsys: pytest.CaptureFixture[str]) -> None:
    print_shattering([Shattering("net", 3, 8, 2, 0, DISTANCES, np.ones(33), np.zeros(33))], None)
    assert read_rows(capsys)[1][-1] == "beyond"


def test_a_valley_s_losses(capsys: pytest.CaptureFixture[str]) -> None:
    steps = np.linspace(-1, 1, 5)
    print_surfaces([Surface("net", "digits", "train", 512, 0, steps, np.add.outer(steps**2, steps**2))], None)
    head, row, note = read_rows(capsys)
    assert head[2:4] == ["at 0.5", "at 1"]
    assert (row[0], row[1], row[4], row[5]) == ("net", "0", "2", "1")
    assert note[0].startswith("over 512 training images, on 5 × 5 points")


def test_what_a_lesion_costs(capsys: pytest.CaptureFixture[str]) -> None:
    removals = (Removal("a", "identity", 1_000, 2_000, 0.8), Removal("b", "zeros", 1, 1, 0.3))
    print_lesions([Lesion("net", "digits", "mean_iou", 360, 0.9, removals)], find_task("maps"), None)
    rows = read_rows(capsys)
    assert rows[0] == ["net without", "instead", "parameters", "MACs", "mean iou", "lost"]
    assert rows[1] == ["a", "its input", "-1,000", "-2,000", "0.8000", "0.1000"]
    assert rows[3] == ["nothing", "0.9000"]


def test_two_files_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    print_files(FileComparison(1_000, 750, {1: 0.5}), Path("small.onnx"))
    rows = read_rows(capsys)
    assert rows[0][0] == "wrote small.onnx"
    assert rows[1] == ["bytes", "1,000", "750", "0.750"]
    assert rows[2] == ["median time of a run, batch 1", "0.500"]
