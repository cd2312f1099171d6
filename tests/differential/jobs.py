"""Commands that write files, each with what stands in its folder before it, and what after it."""

from __future__ import annotations

import functools
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from safetensors.numpy import save_file

from tests.differential.children import Child, Nursery, Order

Files: TypeAlias = Mapping[str, bytes]
"""What a folder holds, by path."""

SPEC = {
    "archspec": 1,
    "name": "tiny",
    "params": {"width": 8},
    "inputs": {"image": [1, 8, 8]},
    "network": [{"conv": {"out": "width", "name": "stem"}}, "batch_norm", "relu", "flatten", {"linear": 10}],
}
SHAPES = {
    "stem.weight": (8, 1, 3, 3),
    "stem.bias": (8,),
    **{f"batch_norm_0.{name}": (8,) for name in ("weight", "bias", "running_mean", "running_var")},
    "linear_0.weight": (10, 512),
    "linear_0.bias": (10,),
}
LAYERS = ("stem", "batch_norm_0", "linear_0")
RULES = {
    "weight_rules": 1,
    "rules": [{"specs": ["tiny"], "sources": ["timm"], "names": {name: f"their.{name}" for name in LAYERS}}],
}
TWO_FILES = "from compiler.onnx_target import write; write.MAX_FILE_BYTES = 1000"
"""For this network that is few."""
FIRST, SECOND, THIRD, KEPT = 1, 2, 3, 4
"""Seeds: of what stands there, of what takes its place, of what comes between, and of what nobody is to touch."""


@dataclass(frozen=True)
class Job:
    """A command, whose words may hold the seed, and the file in `work` that it is for; `first` is Python that runs
    before it, and `again` what it needs to replace what it left itself."""

    name: str
    words: str
    product: str
    first: str = ""
    again: str = ""

    @property
    def exports(self) -> bool:
        return self.words.startswith("export")

    @property
    def trains(self) -> bool:
        return self.words.startswith("train")

    def start(self, nursery: Nursery, site: Path, seed: int, stop: int = 0) -> Child:
        """In a site, whose folder `disk` is watched and worked in."""
        disk, words = str(site / "disk"), self.words.format(seed=seed).split()
        return nursery.start(Order(words, disk, f"{site}/said{seed}", stop, f"{site}/count", self.first))


EXPORT = "export work/tiny.yaml --seed {seed} -o work/m.onnx"
CONVERT = "weights convert work/theirs{seed}.safetensors --to work/tiny.yaml -o work/w.safetensors --force"
TRAIN = "train work/tiny.yaml --data digits --epochs 1 --threads 1 --seed {seed} -o work/run"
JOBS = {
    job.name: job
    for job in (
        Job("export", EXPORT, "m.onnx"),
        Job("export two files", f"{EXPORT} --no-verify", "m.onnx", TWO_FILES),
        Job("export optimized", f"{EXPORT} --no-verify --optimized", "m.onnx"),
        Job("export int8", f"{EXPORT} --precision int8 --data work/images.npy", "m.onnx"),
        Job("convert", CONVERT, "w.safetensors"),
        Job("run", "run work/m.onnx work/images{seed}.npy --provider cpu -o work/answers.npz", "answers.npz"),
        Job("fit", "fit work/tiny.yaml --vary width --budget params<={seed}0k -o work/big.yaml --force", "big.yaml"),
        Job("train", TRAIN, "run/weights.safetensors", again=" --force"),
        Job("train again", f"{TRAIN} --force", "run/weights.safetensors"),
    )
}


@dataclass(frozen=True)
class Ground:
    """A job, the folder in which it is to work, what that holds after it, by seed, and how long and how many deeds it
    takes when nobody disturbs it."""

    job: Job
    folder: Path
    after: Mapping[int, Files]
    seconds: float
    deeds: int

    @contextmanager
    def open_site(self) -> Iterator[Path]:
        with open_site(self.folder) as site:
            yield site


@functools.cache
def nursery() -> Nursery:
    return Nursery()


@functools.cache
def prepare(name: str) -> Ground:
    """What a job starts from: its first version, what it reads, and a model of two files that was renamed."""
    job = JOBS[name]
    folder = Path(lasting().name) / name
    write_given(folder)
    if job.exports or name == "run":
        perform(JOBS["export two files"], folder, KEPT)
        (folder / "m.onnx").rename(folder / "kept.onnx")
    if name == "run":
        perform(JOBS["export"], folder, FIRST)
    perform(job, folder, FIRST)
    if name == "train":
        (folder / "run").rename(folder / "older")
    after = {}
    for seed in (SECOND, THIRD):
        with open_site(folder) as site:
            start = time.monotonic()
            finish_well(job, site, seed)
            seconds = time.monotonic() - start
            after[seed], deeds = read_files(site / "disk/work"), int((site / "count").read_text())
    return Ground(job, folder, after, seconds, deeds)


@functools.cache
def lasting() -> tempfile.TemporaryDirectory[str]:
    """A folder for as long as this process lives."""
    return tempfile.TemporaryDirectory()


def write_given(folder: Path) -> None:
    """What the jobs read."""
    folder.mkdir()
    for name, data in {"tiny.yaml": SPEC, "tiny.weights.yaml": RULES}.items():
        (folder / name).write_text(json.dumps(data), encoding="utf-8")
    for seed in (FIRST, SECOND, THIRD):
        random = np.random.default_rng(seed)
        np.save(folder / f"images{seed}.npy", random.standard_normal((16, 1, 8, 8)).astype(np.float32))
        theirs = {f"their.{name}": random.random(shape, np.float32) for name, shape in SHAPES.items()}
        save_file(theirs, folder / f"theirs{seed}.safetensors")
    shutil.copyfile(folder / f"images{FIRST}.npy", folder / "images.npy")


def perform(job: Job, folder: Path, seed: int) -> None:
    """Leave in a folder what a job does to it."""
    with open_site(folder) as site:
        finish_well(job, site, seed)
        shutil.rmtree(folder)
        shutil.copytree(site / "disk/work", folder)


def finish_well(job: Job, site: Path, seed: int) -> None:
    code, said = job.start(nursery(), site, seed).finish()
    assert not code, f"{job.name}: exit {code}: {said}"


@contextmanager
def open_site(folder: Path) -> Iterator[Path]:
    """A place with a copy of the folder, and one of temporary files."""
    with tempfile.TemporaryDirectory() as made:
        site = Path(made)
        (site / "disk/tmp").mkdir(parents=True)
        shutil.copytree(folder, site / "disk/work")
        yield site


def read_files(folder: Path) -> Files:
    """Every file below a folder, but those of temporary folders."""
    found = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}
