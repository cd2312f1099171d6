"""The memory that is told is the system's own count."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from runtime.training import memory
from runtime.training.memory import measure_memory

CPU = torch.device("cpu")


MEASURING = """
import torch
from runtime.training.memory import measure_memory

before = measure_memory(torch.device("cpu"))
print(before, *[row.split()[1] for row in open("/proc/self/status") if row.startswith("VmRSS")])
held = torch.ones(1 << 25)
print(measure_memory(torch.device("cpu")) - before)
"""


@pytest.mark.skipif(not memory.STATM.exists(), reason="Linux counts so")
def test_memory_is_what_the_system_counts() -> None:
    """In a process that does nothing else. The witness is another file of the system's; 128 MiB more are told so."""
    printed = subprocess.run([sys.executable, "-c", MEASURING], check=True, capture_output=True, text=True).stdout
    before, counted, more = map(int, printed.split())
    assert abs(before - 1024 * counted) < 1 << 24
    assert 0.9 * (1 << 27) < more < 1.1 * (1 << 27)


def test_where_the_system_does_not_say_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATM", tmp_path / "nowhere")
    assert measure_memory(CPU) is None
    (tmp_path / "odd").write_text("1 x")
    monkeypatch.setattr(memory, "STATM", tmp_path / "odd")
    assert measure_memory(CPU) is None
