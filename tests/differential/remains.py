"""What must hold once a command was disturbed: its file is whole, nothing else is lost, and it says what happened."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import onnx
from google.protobuf.message import DecodeError
from safetensors.numpy import load

from tests.differential.blows import FAILING, SIGNALS, Scene
from tests.differential.harness import Disagreement
from tests.differential.jobs import SECOND, SHAPES, THIRD, Files, read_files

TRAINING = ("epoch", "stopped ")
"""How lines begin that say how far a training has come."""
CACHES = ("torchinductor_",)
"""What libraries leave among temporary files for the next time."""


@dataclass(frozen=True)
class Remains:
    """What stood there at first, what would now without the command, and what does now that it has ended."""

    scene: Scene
    blow: str
    struck: bool
    """In time: the command was still there."""
    before: Files
    standing: Files
    after: Files
    code: int
    said: str

    @property
    def product(self) -> str:
        return self.scene.ground.job.product

    @property
    def versions(self) -> list[Files]:
        """What the folder may hold: as it was, as the command leaves it, and the other one."""
        later = self.scene.ground.after
        return [self.standing, later[SECOND], *([later[THIRD]] if self.scene.others else [])]

    @property
    def killed(self) -> bool:
        return self.struck and self.blow == "SIGKILL"


def check_remains(remains: Remains) -> Iterator[Disagreement]:
    yield from check_ending(remains)
    yield from check_product(remains)
    yield from check_others(remains)
    yield from check_data(remains)
    if not remains.killed:
        yield from check_strays(remains)


def check_ending(remains: Remains) -> Iterator[Disagreement]:
    """The exit code is the one that is due, and what was said is one line that says why."""
    code, said, blow = remains.code, remains.said, remains.blow if remains.struck else ""
    job = remains.scene.ground.job
    refuses = (
        blow in FAILING
        or (job.trains and blow == "overtaken")  # no two runs are mixed
        or (blow == "written over" and "is there already" in said)  # by what is no file of the command's kind
    )
    due = {0, 2} if refuses else {0}
    if blow in SIGNALS:  # by itself it ends a process that has not begun, or has done
        due = {SIGNALS[blow], -getattr(signal, blow)}
    if code not in due:
        yield Disagreement(f"exit code: {blow}", f"{code}: {said}"[-300:])
    if "Traceback" in said:
        yield Disagreement("traceback", said[-300:])
    lines = [line for line in said.splitlines() if not line.startswith(TRAINING)]
    if code == 2 and (len(lines) != 1 or not lines[0].startswith("error: ") or "work" not in lines[0]):
        yield Disagreement("message", said[-300:])
    if code > 128 and lines[-1:] != [f"ended by {blow}"]:
        yield Disagreement("message", said[-300:])


def check_product(remains: Remains) -> Iterator[Disagreement]:
    """The file is a whole version: the one that stood there, or a new one; after exit code 0 a new one."""
    name, found = remains.product, remains.after.get(remains.product)
    old, *new = [version.get(name) for version in remains.versions]
    trains = remains.scene.ground.job.trains
    if found is None and trains and remains.killed:  # an earlier run goes before a part of the next is there
        return
    if found not in (old, *new) and not (trains and is_whole(found)):
        yield Disagreement("half a file", f"{name}: {'lost' if found is None else len(found)}")
    moved = remains.struck and remains.blow in ("renamed", "written over", "folder removed")
    if remains.code == 0 and found not in new and not (moved and found == old):
        yield Disagreement("not written", f"{name}, exit code 0")


def is_whole(weights: bytes | None) -> bool:
    """Whether these are all the weights of the network: a training that is ended early leaves those it had."""
    return weights is not None and {name: array.shape for name, array in load(weights).items()} == SHAPES


def check_others(remains: Remains) -> Iterator[Disagreement]:
    """Nothing is lost or changed but what was replaced."""
    for name, data in remains.standing.items():
        if name not in belongings(remains) and remains.after.get(name) != data:
            yield Disagreement("changed" if name in remains.after else "lost", name)


def check_data(remains: Remains) -> Iterator[Disagreement]:
    """Every model finds its data, which is what it was."""
    known = {name: data for version in remains.versions for name, data in version.items()}
    for name, data in remains.after.items():
        for beside in name_data(data) if name.endswith((".onnx", ".bak")) else ():
            if beside not in remains.after or remains.after[beside] != known.get(beside):
                yield Disagreement("model without its data", f"{name}: {beside}")


def check_strays(remains: Remains) -> Iterator[Disagreement]:
    """No temporary file, and no data that no model has."""
    work = remains.scene.work
    folders = [*work.glob(".*"), *(work.parent / "tmp").iterdir()]
    if remains.blow == "read-only":  # which keeps what is empty in its place
        folders = [path for path in folders if not path.is_dir() or any(path.iterdir())]
    hidden = [path.name for path in folders if not path.name.startswith(CACHES)]
    wanted = {name for data in remains.after.values() for name in name_data(data)}
    known = {name for version in remains.versions for name in version if not name.endswith(".data")}
    strays = [name for name in remains.after if name not in wanted | known | set(remains.standing)]
    if hidden or strays:
        yield Disagreement("left behind", f"{hidden + strays}, exit code {remains.code}")


def check_next(remains: Remains) -> Iterator[Disagreement]:
    """The command once more is not disturbed by what a killed one left, and removes nothing of others."""
    after = read_files(remains.scene.work)
    if after.get(remains.product) != remains.scene.ground.after[SECOND][remains.product]:
        yield Disagreement("next: not written", remains.product)
    lost = [name for name in remains.after if name not in after and name not in belongings(remains)]
    if lost:
        yield Disagreement("next: lost", f"{lost}")


def belongings(remains: Remains) -> set[str]:
    """What is the command's own to replace: its file, the optimized form, data that no other model names, and the
    folder of a run."""
    product, files = remains.product, remains.standing
    stem = product.removesuffix(".onnx")
    own = {product, *(name for name in files if name.startswith((f"{stem}.ort", "run/")))}
    others = {name for other, data in files.items() if other not in own for name in name_data(data)}
    named = {name for known in (remains.before, files) for one in own for name in name_data(known.get(one, b""))}
    return own | (named - others)


def name_data(data: bytes) -> set[str]:
    """The files that a model names, if it is one."""
    try:
        tensors = onnx.ModelProto.FromString(data).graph.initializer
    except DecodeError:
        return set()
    return {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
