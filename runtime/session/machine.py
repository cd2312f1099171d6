"""The machine: its processor, what that can do and how much of it this process may use; and its NVIDIA GPU."""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

from archspec.wording import tell_count

INSTRUCTIONS = {"avx2": "avx2", "avx512": "avx512f", "vnni": "avx512_vnni", "avx-vnni": "avx_vnni", "amx": "amx_int8"}
"""The instruction sets that speed up inference, and the system's names of them."""

QUOTAS = (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us"))
"""The files of a control group that say its quota, in version 2 and in version 1."""


AVAILABLE = "MemAvailable:"
"""The word in the kernel's account of memory for what can be had."""

MEMORY = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""The files of a control group that say how much memory it may use and uses, in version 2 and in version 1, and the
word in its account for file caches that give way."""


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores that this process may run on, and how many of them a container's quota pays for (None: all)."""

    usable: int
    quota: float | None = None

    @property
    def paid(self) -> int:
        """The number of cores that threads can keep busy for long."""
        return self.usable if self.quota is None else min(self.usable, ceil(self.quota))

    def __str__(self) -> str:
        cores = tell_count(self.usable, "core")
        return cores if self.quota is None else f"{cores}, of which a quota allows {self.quota:.4g}"


def read_instructions(path: str | Path = "/proc/cpuinfo") -> tuple[str, ...]:
    """Read which of the instruction sets that speed up inference the processor has: none where the system does not
    tell."""
    flags = {flag for line in _read_lines(path) if line.startswith("flags") for flag in line.partition(":")[2].split()}
    return tuple(name for name, flag in INSTRUCTIONS.items() if flag in flags)


@functools.cache
def name_cpu() -> str:
    """Give the processor's name by the system's word; the kind of machine where it tells none."""
    names = [line.partition(":")[2].strip() for line in _read_lines("/proc/cpuinfo") if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_cpu() -> str:
    """Write the processor's name and how many of its cores this process may use: what a measurement on it holds for."""
    return f"{name_cpu()}, {read_cores()}"


def read_cores() -> Cores:
    """Read the cores that this process may use, now: a quota may be changed while it runs."""
    usable, quota = len(_list_processors()), read_quota()
    return Cores(usable, None if quota is None or quota >= usable else quota)


_THREADS: ContextVar[int | None] = ContextVar("threads", default=None)


@contextmanager
def limiting_threads(threads: int | None) -> Iterator[None]:
    """Have sessions that are opened meanwhile take so many threads for one operation, unless their settings say another
    number; None changes nothing."""
    before = _THREADS.set(_THREADS.get() if threads is None else threads)
    try:
        yield
    finally:
        _THREADS.reset(before)


def limit_threads() -> int | None:
    """Give the number of threads of one operation: what `limiting_threads` says, else what a quota pays for, where that
    is less than ONNX Runtime's own choice, which is one for each core; None where it may choose."""
    if (chosen := _THREADS.get()) is not None:
        return chosen
    cores = read_cores()
    return cores.paid if cores.quota is not None and cores.paid < count_physical() else None


@functools.cache
def count_physical(path: str | Path = "/proc/cpuinfo") -> int:
    """Count the processors that this process may use and that are cores of their own; all, where the system does not
    tell."""
    ids, cores = _list_processors(), set()
    entry: dict[str, str] = {}
    for line in [*_read_lines(path), ""]:
        name, _, value = (part.strip() for part in line.partition(":"))
        if name:
            entry[name] = value
            continue
        number = entry.get("processor", "")
        if number.isdecimal() and int(number) in ids:
            cores.add((entry.get("physical id"), entry.get("core id", number)))
        entry = {}
    return len(cores) or len(ids)


def read_quota(proc: str | Path = "/proc") -> float | None:
    """Read how many cores' time the control groups of this process allow it, the least of all above it; None where they
    allow all. `proc` is the kernel's folder of that name."""
    quotas = [quota for files in _list_quotas(proc) if (quota := _read_quota(files)) is not None]
    return min(quotas, default=None)


def find_gpu_problem() -> str | None:
    """Find why no NVIDIA GPU can be used by anything on this machine; None where there is one.

    Asks the driver's own library, which every CUDA program loads; so its absence is proof, and no process is started.
    """
    driver = _load_driver()
    if driver is None:
        return "no GPU was found: there is no NVIDIA driver"
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)) or not count.value:
        return "no GPU was found: the NVIDIA driver shows none"
    return None


def describe_gpu() -> str | None:
    """Give the name of the first NVIDIA GPU and the CUDA version of its driver; None where there is no GPU."""
    driver = _load_driver()
    name, device, version = ctypes.create_string_buffer(256), ctypes.c_int(0), ctypes.c_int(0)
    if driver is None or driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if driver.cuDeviceGetName(name, len(name), device) or driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return (
        f"{name.value.decode(errors='replace')}, driver for CUDA {version.value // 1000}.{version.value % 1000 // 10}"
    )


@functools.cache
def _list_quotas(proc: str | Path) -> tuple[tuple[str, ...], ...]:
    """List where the control groups of this process, and those above them, say their quotas, in both versions: one
    file, or one for the quota and one for its period."""
    found = ((folder, name) for folder in _walk_groups(Path(proc), "cpu") for name in QUOTAS)
    files = (tuple(f"{folder}/{part}" for part in name) for folder, name in found)
    return tuple(dict.fromkeys(each for each in files if all(map(os.path.exists, each))))


def read_free_memory(proc: str | Path = "/proc") -> int | None:
    """Read how many bytes of memory this process can still take: the least that the machine and the control groups
    above it have, file caches that give way counted in; None where the system does not tell. `proc` is the kernel's
    folder of that name."""
    free = [1024 * _read_number(line.split()[1:2]) for line in _read_lines(Path(proc) / "meminfo") if AVAILABLE in line]
    for folder in _walk_groups(Path(proc), "memory"):
        for most, used, kept in MEMORY:
            limit, taken = (_read_number(_read_lines(folder / name)[:1], -1) for name in (most, used))
            if limit >= 0 <= taken:
                stat = (line.split() for line in _read_lines(folder / "memory.stat"))
                free.append(max(0, limit - taken + sum(int(words[1]) for words in stat if words[:1] == [kept])))
    return min(free, default=None)


def _read_number(texts: Sequence[str], otherwise: int = 0) -> int:
    """Read a whole number, where there is one text and it is one."""
    return int(texts[0]) if len(texts) == 1 and texts[0].strip().isdecimal() else otherwise


def _walk_groups(proc: Path, controller: str) -> Iterator[Path]:
    groups = {}
    for line in _read_lines(proc / "self" / "cgroup"):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" or controller in controllers.split(","):
            groups["cgroup2" if number == "0" else "cgroup"] = path
    for line in _read_lines(proc / "self" / "mountinfo"):
        mount, _, system = (part.split() for part in line.partition(" - "))
        if len(mount) < 5 or len(system) < 3 or system[0] not in groups:
            continue
        if system[0] == "cgroup" and controller not in system[2].split(","):
            continue
        # In a container the mount's root may be the container's own group, which the path of the process begins with.
        root, own = PurePosixPath(mount[3]), PurePosixPath(groups[system[0]])
        within = own.relative_to(root) if own.is_relative_to(root) else PurePosixPath()
        folder = Path(mount[4])
        yield folder
        for part in within.parts:
            folder = folder / part
            yield folder


def _read_quota(files: tuple[str, ...]) -> float | None:
    """Read a quota, `50000 100000` in one file or two: microseconds of each so many."""
    try:
        quota, period = map(int, " ".join(line for file in files for line in _read_lines(file)[:1]).split())
    except ValueError:  # "max", or nothing
        return None
    return quota / period if quota > 0 and period > 0 else None


def _list_processors() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _read_lines(path: str | Path) -> list[str]:
    """The lines of a file; none where the system has no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _load_driver() -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
