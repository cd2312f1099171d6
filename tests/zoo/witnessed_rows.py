"""What other libraries computed with weights that follow from our names: rows of `witnessed/*.json`, one file for each
library. `python -m tests.zoo.witness` writes their figures where the library is installed; the tests need none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archspec.api import elaborate, load
from compiler.graph import Graph
from tests.support.lowering import Arrays

WITNESSED = Path(__file__).with_name("witnessed")

BATCH = 2

COUNT = 12
"""The number of values of each output that are stored, evenly spaced over it."""


@dataclass(frozen=True)
class WitnessedRow:
    """One spec, the model of a library that it equals, and what that gives for it."""

    name: str
    model: str
    """The library's function or class that makes the model, and below what it is given."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    slow: bool = False
    parameters: int = 0
    """The number of parameters of the library's model, without what the spec leaves out."""
    tensors: int = 0
    """The number of tensors that a weight of ours is read from."""
    outputs: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of each output: the values at `COUNT` places."""
    largest: Mapping[str, float] = field(default_factory=dict)
    """The largest magnitude of each output."""

    def build(self) -> Graph:
        return elaborate(load(self.name, self.params), self.sizes)

    def to_dict(self) -> dict[str, Any]:
        plain = WitnessedRow(self.name, self.model)
        return {key: value for key, value in asdict(self).items() if value != getattr(plain, key) or key in KEYS}


KEYS = ("name", "model")


def read_witnessed(library: str) -> list[WitnessedRow]:
    """The rows of one library."""
    return [WitnessedRow(**row) for row in _read(library)["rows"]]


def write_witnessed(library: str, version: str, rows: Sequence[WitnessedRow]) -> None:
    """Write the rows of a library, each on a line, and the version that gave the figures."""
    lines = ",\n".join(json.dumps(row.to_dict(), ensure_ascii=False) for row in rows)
    text = f'{{"version": "{version}", "rows": [\n{lines}\n]}}\n'
    (WITNESSED / f"{library}.json").write_text(text, encoding="utf-8")


def _read(library: str) -> Any:
    return json.loads((WITNESSED / f"{library}.json").read_text(encoding="utf-8"))


LIBRARIES = sorted(path.stem for path in WITNESSED.glob("*.json"))


def pick_values(outputs: Arrays) -> dict[str, list[float]]:
    """The values at evenly spaced places of each output, rounded to what single precision holds."""
    picked = {}
    for name, array in outputs.items():
        flat = array.reshape(-1)
        places = np.linspace(0, flat.size - 1, COUNT).round().astype(int)
        picked[name] = [float(f"{flat[place]:.7g}") for place in places]
    return picked
