"""The memory that is told is the system's own count."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from runtime.training import memory
from runtime.training.memory import measure_memory

CPU = torch.device("cpu")


@pytest.mark.skipif(not memory.STATM.exists(), reason="Linux counts so")
def test_memory_is_what_the_system_counts() -> None:
    """The witness is another file of the system's; 128 MiB more are told as that."""
    before = measure_memory(CPU)
    (line,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmRSS")]
    assert before is not None
    assert abs(before - 1024 * int(line.split()[1])) < 1 << 24
    held = torch.ones(1 << 25)
    after = measure_memory(CPU)
    assert after is not None
    assert after - before > held.numel() * 3


def test_where_the_system_does_not_say_nothing_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "STATM", tmp_path / "nowhere")
    assert measure_memory(CPU) is None
    (tmp_path / "odd").write_text("1 x")
    monkeypatch.setattr(memory, "STATM", tmp_path / "odd")
    assert measure_memory(CPU) is None
