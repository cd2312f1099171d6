"""What torchvision and timm publish of their weights: how pictures become their input, and the classes' names.

The files in `facts/` are data, written by `python -m tests.zoo.preprocessing` from what these libraries say themselves;
each names its version. Sets of weights that are prepared alike stand together in one group.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "facts"

LIBRARIES = ("torchvision", "timm")

CLASS_SETS = ("imagenet", "voc")
"""The sets of classes whose names are in the package."""

PIECE = 1 << 20
"""The number of bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class PublishedWeights:
    """One set of weights that a library publishes for a spec of the zoo: the preprocessing, as JSON has it, the set of
    its classes ("": none that is here), the task, and how the SHA-256 of the library's own file begins ("": nobody says
    it)."""

    library: str
    spec: str
    name: str
    preprocess: Mapping[str, Any]
    classes: str
    task: str
    file: str

    @property
    def short_name(self) -> str:
        """The part of the name behind the network's: timm's `resnet50.a1_in1k` is `a1_in1k`."""
        return self.name.rpartition(".")[2]


def list_published(specs: Iterable[str], libraries: Sequence[str] = LIBRARIES) -> list[PublishedWeights]:
    """List what these libraries publish for some specs of the zoo, in the libraries' order."""
    wanted = set(specs)
    return [row for library in libraries if library in LIBRARIES for row in _read(library) if row.spec in wanted]


def find_published(path: str | Path, published: Sequence[PublishedWeights]) -> PublishedWeights | None:
    """Find which of these weights a file holds, by its bytes: the first whose hash it has; None where it has none's."""
    if not any(row.file for row in published):
        return None
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    found = digest.hexdigest()
    return next((row for row in published if row.file and found.startswith(row.file)), None)


@cache
def read_class_set(name: str) -> tuple[str, ...]:
    """Read the names of a set of classes, in the order of the networks' outputs."""
    return tuple((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines())


@cache
def _read(library: str) -> tuple[PublishedWeights, ...]:
    groups = json.loads((FOLDER / f"{library}.json").read_text(encoding="utf-8"))["groups"]
    return tuple(
        PublishedWeights(library, spec, name, group["preprocess"], group["classes"], group["task"], file)
        for group in groups
        for spec, weights in group["weights"].items()
        for name, file in weights.items()
    )
