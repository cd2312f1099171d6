"""Metrics survive the disk, and what is not theirs is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.training.run import append_metrics, check_vacant, read_metrics


def test_metrics_can_be_read_while_they_come(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_metrics(path, {"epoch": 1, "loss": 0.5})
    assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}]
    append_metrics(path, {"test_accuracy": 1.0})
    assert read_metrics(path) == [{"epoch": 1, "loss": 0.5}, {"test_accuracy": 1.0}]


def test_broken_metrics_are_refused_by_line(tmp_path: Path) -> None:
    (tmp_path / "m").write_text('{"epoch": 1}\n{"epoch":')
    with pytest.raises(ArchspecError, match="m, line 2 is not valid JSON"):
        read_metrics(tmp_path / "m")
    with pytest.raises(ArchspecError, match="cannot write"):
        append_metrics(tmp_path / "m" / "below a file", {})


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a file that is always full")
def test_metrics_on_a_full_disk() -> None:
    with pytest.raises(ArchspecError, match=r"cannot write /dev/full: No space left on device"):
        append_metrics("/dev/full", {"epoch": 1})


@pytest.mark.parametrize("name", ["notes", "notes/run", "notes/a/b"])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder_for_a_run(name: str, force: bool, tmp_path: Path) -> None:
    """Which training would else find out when it has something to keep."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ArchspecError, match="notes is not a folder"):
        check_vacant(tmp_path / name, force=force)
    check_vacant(tmp_path / "new" / "run", force=force)
