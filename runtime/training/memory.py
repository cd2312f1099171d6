"""How much memory a training has taken."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from archspec.extras import extra

with extra("train"):
    import torch

STATM = Path("/proc/self/statm")
"""The file in which Linux counts a process's pages of memory."""


def measure_memory(device: torch.device) -> int | None:
    """Measure the bytes that this process has of a GPU's memory, or of the machine's; None where the system does not
    say."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    with suppress(OSError, ValueError, IndexError):
        return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return None
