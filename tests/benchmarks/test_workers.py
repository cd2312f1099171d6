"""A benchmark's workers name their candidate when something goes wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.workers import BenchmarkWorker
from runtime.measuring.worker import WorkerError

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="stopping a process needs POSIX signals")

CHILD = """
import sys
from runtime.measuring.worker import serve

serve({"name": lambda: sys.argv[1:], "fail": lambda: 1 / 0})
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[BenchmarkWorker]:
    (tmp_path / "child_of_a_test.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = BenchmarkWorker("child_of_a_test", "a", 3)
    yield started
    started.close()


def test_arguments_arrive_and_mistakes_name_them(worker: BenchmarkWorker) -> None:
    assert worker.ask("name") == ["--serve", "a", "3"]
    with pytest.raises(WorkerError, match=r"^a 3: ZeroDivisionError: division by zero$"):
        worker.ask("fail")
