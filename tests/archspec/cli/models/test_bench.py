"""The command bench: a row for each batch, as a table and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import archspec, fail, refuse
from tests.support.models import build_double, save


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(build_double(), tmp_path / "double.onnx")


def test_each_batch_is_a_row(model: Path) -> None:
    words = ("bench", model, "--batch", "2", "--batch", "1", "--size", "H=8", "--size", "W=4", "--seconds", "0.1")
    found = archspec(*words, "--provider", "cpu", "--threads", "1", "--json")
    assert (found["model"], found["provider"]) == (str(model), "cpu")
    assert [row["batch"] for row in found["rows"]] == [1, 2]
    for row in found["rows"]:
        assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert row["images_per_second"] == pytest.approx(1000 * row["batch"] / row["mean_ms"], rel=1e-6)


def test_the_table_says_where_it_ran(model: Path) -> None:
    words = ("bench", model, "--size", "H=8", "--size", "W=4", "--seconds", "0.1", "--provider", "cpu")
    lines = archspec(*words).splitlines()
    assert [line.split()[0] for line in lines if line.split()[0].isdigit()] == ["1", "8", "32"], "as nobody chose"
    assert "ran on cpu; a run is one call" in "\n".join(lines)


def test_what_cannot_be_timed_is_refused(model: Path, tmp_path: Path) -> None:
    refuse("--batch", "bench", model, "--batch", "0")
    assert "nowhere.onnx does not exist" in fail("bench", tmp_path / "nowhere.onnx")
    assert "has no free size 'D' (free sizes: H, W" in fail("bench", model, "--size", "D=3", "--seconds", "0.1")
