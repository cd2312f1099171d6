"""The processor: its name, its cores, and what it can do."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

INSTRUCTIONS = {"avx2": "avx2", "avx512": "avx512f", "vnni": "avx512_vnni", "avx-vnni": "avx_vnni", "amx": "amx_int8"}


def read_instructions(path: str | Path = "/proc/cpuinfo") -> tuple[str, ...]:
    """Which of the instruction sets that speed up inference the processor has; empty where the system does not tell."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    flags = {flag for line in lines if line.startswith("flags") for flag in line.partition(":")[2].split()}
    return tuple(name for name, flag in INSTRUCTIONS.items() if flag in flags)


@functools.cache
def describe_cpu() -> str:
    """The processor's name and how many of its cores this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {count_cores()} cores"


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
