"""What may happen to a command and its folder: signals, disks that are full or read-only, others who move and write."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.differential.children import Child
from tests.differential.jobs import THIRD, Ground, nursery

DISK = "8m"
ROOM = (0, 4096, 20_000, 30_000)
"""Bytes that a full disk may still have."""


@dataclass
class Scene:
    """A command that has been stopped, and where it works."""

    ground: Ground
    site: Path
    child: Child
    random: Random
    others: list[Child] = field(default_factory=list)
    """Commands that were started meanwhile."""
    undo: ExitStack = field(default_factory=ExitStack)

    @property
    def work(self) -> Path:
        return self.site / "disk/work"

    @property
    def product(self) -> Path:
        return self.work / self.ground.job.product


def fill(scene: Scene) -> None:
    """The disk, but for a few bytes; where it is no disk of its own, no file may become longer."""
    disk, room = scene.site / "disk", scene.random.choice(ROOM)
    if not os.path.ismount(disk):
        resource.prlimit(scene.child.pid, resource.RLIMIT_FSIZE, (room, room))
        return
    free = os.statvfs(disk)
    with (disk / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_bsize - room))
    scene.undo.callback((disk / "filler").unlink)


def protect(scene: Scene) -> None:
    """The folder becomes read-only."""
    scene.work.chmod(0o555)
    scene.undo.callback(scene.work.chmod, 0o755)


def remove(scene: Scene) -> None:
    shutil.rmtree(scene.work)


def rename(scene: Scene) -> None:
    """The file that is there is moved out of the way, as a model or as something else."""
    if scene.product.exists():
        scene.product.rename(scene.work / scene.random.choice(("moved.onnx", "moved.bak", "moved")))


def copy(scene: Scene) -> None:
    if scene.product.exists():
        shutil.copyfile(scene.product, scene.work / scene.random.choice(("copy.onnx", "copy.bak")))


def write_over(scene: Scene) -> None:
    """As `cp` does it: in place."""
    if scene.product.exists():
        other = scene.work / "kept.onnx"
        shutil.copyfile(other if other.exists() else scene.work / "images.npy", scene.product)


def overtake(scene: Scene) -> None:
    """The same command with another seed comes as far as chance says, and both go on."""
    deeds = scene.ground.deeds
    other = scene.ground.job.start(nursery(), scene.site, THIRD, scene.random.randint(1, deeds))
    other.await_stop(2 * scene.ground.seconds)  # not for ever: it may wait for the one that is stopped
    other.send(signal.SIGCONT)
    scene.others.append(other)


def send(number: int) -> Callable[[Scene], None]:
    return lambda scene: scene.child.send(number)


SIGNALS = {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "SIGHUP": 129}
"""With the exit codes."""
FAILING = {"full disk": fill, "read-only": protect, "folder removed": remove}
"""What a command may be unable to go on with: exit code 2."""
HARMLESS = {"renamed": rename, "copied": copy, "written over": write_over, "overtaken": overtake}

BLOWS: dict[str, Callable[[Scene], None]] = {
    **{name: send(getattr(signal, name)) for name in SIGNALS},
    **FAILING,
    **HARMLESS,
}


@contextmanager
def on_disk(site: Path) -> Iterator[None]:
    """What lies in the site's disk, on a disk of its own, where one can be mounted."""
    disk, aside = site / "disk", site / "aside"
    disk.rename(aside)
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(disk)]
    mounted = shutil.which("mount") and not subprocess.run(command, capture_output=True).returncode
    shutil.copytree(aside, disk, dirs_exist_ok=True)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", disk], check=True)
