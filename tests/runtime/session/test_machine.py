"""How much of the processor a process may use: its affinity, and its control groups' quotas, in both versions."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.session import machine
from runtime.session.machine import Cores, read_cores, read_free_memory, read_quota
from runtime.session.settings import Settings
from runtime.session.start import start
from tests.support.models import build_double, save

V1 = "30 1 0:29 {root} {mount} rw,relatime - cgroup cgroup rw,{controllers}"
V2 = "31 1 0:30 {root} {mount} rw,relatime - cgroup2 cgroup2 rw"


def lay_out(folder: Path, group: str, mount: str, files: dict[str, str]) -> Path:
    """The kernel's folder of a machine with that one control group; its files lie below the mount."""
    (folder / "proc" / "self").mkdir(parents=True)
    (folder / "proc" / "self" / "cgroup").write_text(f"5:memory:/elsewhere\n{group}\n", encoding="utf-8")
    (folder / "proc" / "self" / "mountinfo").write_text(
        f"22 1 0:5 / / rw - ext4 /dev/x rw\n{mount}\n", encoding="utf-8"
    )
    for name, text in files.items():
        (folder / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "groups" / name).write_text(text + "\n", encoding="utf-8")
    return folder / "proc"


@pytest.mark.parametrize(
    ("group", "root", "files", "quota"),
    [
        ("0::/", "/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/", "/", {"cpu.max": "max 100000"}, None),
        ("0::/", "/", {}, None),
        ("0::/a/b", "/", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/a/b", "/", {"a/b/cpu.max": "100000 100000", "a/cpu.max": "300000 100000"}, 1.0),
        ("0::/a/b", "/a", {"b/cpu.max": "100000 100000"}, 1.0),  # a container that sees its own part alone
        ("0::/x/y", "/a", {"cpu.max": "100000 100000"}, 1.0),
        ("0::/", "/", {"cpu.max": "rubbish"}, None),
        ("0::/", "/", {"cpu.max": "50000 0"}, None),
        ("3:cpu,cpuacct:/", "/", {"cpu.cfs_quota_us": "250000", "cpu.cfs_period_us": "100000"}, 2.5),
        ("3:cpu,cpuacct:/", "/", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}, None),
        ("3:cpu:/docker/1", "/docker/1", {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, 0.5),
        ("3:cpuset:/", "/", {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_a_quota_is_the_least_of_all_groups_above(
    tmp_path: Path, group: str, root: str, files: dict[str, str], quota: float | None
) -> None:
    line = V2 if group.startswith("0") else V1
    mount = line.format(root=root, mount=tmp_path / "groups", controllers=group.split(":")[1])
    assert read_quota(lay_out(tmp_path, group, mount, files)) == quota


def test_a_system_without_groups_has_no_quota(tmp_path: Path) -> None:
    assert read_quota(tmp_path) is None


@pytest.mark.parametrize(
    ("quota", "said", "paid"),
    [
        (None, "4 cores", 4),
        (0.5, "4 cores, of which a quota allows 0.5", 1),
        (2.5, "4 cores, of which a quota allows 2.5", 3),
        (4.0, "4 cores", 4),
    ],
)
def test_cores_are_said_with_their_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, said: str, paid: int
) -> None:
    monkeypatch.setattr(machine, "_list_processors", lambda: set(range(4)))
    monkeypatch.setattr(machine, "read_quota", lambda: quota)
    assert str(read_cores()) == said
    assert read_cores().paid == paid
    assert machine.describe_cpu().endswith(f", {said}")  # so what was tuned on the free machine does not hold here


@pytest.mark.parametrize(
    ("cores", "threads", "started"), [(Cores(4, 0.5), None, 1), (Cores(4, 0.5), 3, 3), (Cores(4), None, 0)]
)
def test_threads_are_those_that_the_quota_pays_for(
    monkeypatch: pytest.MonkeyPatch, cores: Cores, threads: int | None, started: int
) -> None:
    monkeypatch.setattr(machine, "read_cores", lambda: cores)
    monkeypatch.setattr(machine, "count_physical", lambda: 2)
    session = start(build_double().SerializeToString(), settings=Settings(threads=threads))
    assert session.get_session_options().intra_op_num_threads == started  # 0: ONNX Runtime's own choice


def test_a_quota_above_the_runtimes_own_threads_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read_cores", lambda: Cores(8, 6.0))
    monkeypatch.setattr(machine, "count_physical", lambda: 4)
    assert machine.limit_threads() is None


def test_physical_cores_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_list_processors", lambda: {0, 1, 2})
    entry = "processor\t: {0}\nphysical id\t: 0\ncore id\t: {1}\n"
    (tmp_path / "smt").write_text("\n".join(entry.format(number, number // 2) for number in range(4)), encoding="utf-8")
    (tmp_path / "arm").write_text("\n".join(f"processor\t: {n}\nFeatures\t: fp\n" for n in range(4)), encoding="utf-8")
    assert [machine.count_physical(tmp_path / name) for name in ("smt", "arm", "none")] == [2, 3, 3]


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of half a core, where this process may make one."""
    folder = Path(f"/sys/fs/cgroup/cpu/archspec-test-{os.getpid()}")
    try:
        folder.mkdir()
        (folder / "cpu.cfs_quota_us").write_text("50000", encoding="utf-8")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield folder
    finally:
        folder.rmdir()


ASK = """
import os, sys
from pathlib import Path
if len(sys.argv) > 2:
    Path(sys.argv[2], "tasks").write_text(str(os.getpid()))
import archspec
from runtime.session.machine import read_cores
import onnxruntime
before = len(os.listdir("/proc/self/task"))
session = archspec.Session(sys.argv[1], providers=["cpu"])
print(read_cores(), len(os.listdir("/proc/self/task")) - before, sep=": ")
"""


def test_a_real_quota_bounds_the_threads(group: Path, tmp_path: Path) -> None:
    """The caller is one of the threads of an operation; the control starts the others."""
    model = save(build_double(), tmp_path / "m.onnx")

    def ask(*words: object) -> str:
        command = [sys.executable, "-c", ASK, str(model), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    usable = len(machine._list_processors())
    if machine.count_physical() == 1:
        pytest.skip("one core has one thread in any case")
    assert ask(group) == f"{usable} cores, of which a quota allows 0.5: 0"
    assert not ask().endswith(": 0")


class Driver:
    """A driver of one GPU, as far as it is asked."""

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGet(self, device: Any, number: int) -> int:  # noqa: N802
        return 0

    def cuDeviceGetName(self, name: Any, length: int, device: Any) -> int:  # noqa: N802
        ctypes.memmove(name, b"NVIDIA Something\0", 17)
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 13020
        return 0


def test_a_gpu_is_named_with_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_load_driver", Driver)
    assert machine.describe_gpu() == "NVIDIA Something, driver for CUDA 13.2"
    monkeypatch.setattr(machine, "_load_driver", lambda: None)
    assert machine.describe_gpu() is None


GIB = 1 << 30


@pytest.mark.parametrize(
    ("group", "files", "free"),
    [
        ("0::/", {}, 4 * GIB),
        ("0::/a", {"a/memory.max": "max", "a/memory.current": "5"}, 4 * GIB),
        ("0::/a", {"a/memory.max": str(3 * GIB), "a/memory.current": str(GIB)}, 2 * GIB),
        (
            "0::/a",
            {
                "a/memory.max": str(3 * GIB),
                "a/memory.current": str(2 * GIB),
                "a/memory.stat": f"anon 5\ninactive_file {GIB // 2}",
            },
            3 * GIB // 2,
        ),
        ("0::/a/b", {"a/memory.max": "1000", "a/memory.current": "400", "a/b/memory.max": "max"}, 600),
        ("0::/a", {"a/memory.max": "1000", "a/memory.current": "1400"}, 0),
        ("0::/a", {"a/memory.max": "rubbish", "a/memory.current": "1"}, 4 * GIB),
        ("7:memory:/", {"memory.limit_in_bytes": "5000", "memory.usage_in_bytes": "2000"}, 3000),
    ],
)
def test_free_memory_is_the_least_of_the_machines_and_of_all_groups_above(
    tmp_path: Path, group: str, files: dict[str, str], free: int
) -> None:
    line = V2 if group.startswith("0") else V1
    mount = line.format(root="/", mount=tmp_path / "groups", controllers=group.split(":")[1])
    proc = lay_out(tmp_path, group, mount, files)
    assert read_free_memory(proc) == (None if free == 4 * GIB else free)
    (proc / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {4 * GIB // 1024} kB\n", encoding="utf-8")
    assert read_free_memory(proc) == free


def test_this_machine_tells_its_free_memory() -> None:
    assert (read_free_memory() or 0) > 1 << 20
