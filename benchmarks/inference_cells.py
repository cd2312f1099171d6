"""The comparisons of the benchmark of inference: candidates, contests between them, and the cells of its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from benchmarks.measuring import (
    spread,
)


@dataclass(frozen=True)
class Candidate:
    """A runtime of `runners.py`, and the exporter of the file that it runs, or None for the torch module."""

    runtime: str
    exporter: str | None = None


CANDIDATES: Mapping[str, Candidate] = {
    "archspec": Candidate("onnxruntime", "archspec"),
    "archspec for cpu": Candidate("onnxruntime", "archspec for cpu"),
    "archspec, free sizes": Candidate("onnxruntime free", "archspec"),
    "archspec tuned": Candidate("session", "archspec for cpu"),
    "dynamo": Candidate("onnxruntime", "dynamo"),
    "dynamo, slim": Candidate("onnxruntime", "dynamo, slim"),
    "torchscript": Candidate("onnxruntime", "torchscript"),
    "torchscript, slim": Candidate("onnxruntime", "torchscript, slim"),
    "torch eager": Candidate("eager"),
    "torch.compile": Candidate("compile"),
    "torch.compile, frozen": Candidate("compile frozen"),
    "OpenVINO of archspec": Candidate("openvino", "archspec"),
    "OpenVINO of dynamo": Candidate("openvino", "dynamo"),
}


OTHER_FILES = ("dynamo", "dynamo, slim", "torchscript", "torchscript, slim")


COMPILED = ("torch.compile", "torch.compile, frozen")


OPENVINO = ("OpenVINO of archspec", "OpenVINO of dynamo")


@dataclass(frozen=True)
class Contest:
    """One of ours against the fastest of some peers, in every cell that has both: the least ratio peer / ours wanted of
    each cell, or of the geometric mean."""

    ours: str
    title: str
    peers: Sequence[str]
    each: float | None = None
    mean: float | None = None


CONTESTS = (
    Contest("archspec", "the fastest other file", OTHER_FILES, each=0.98),
    Contest("archspec for cpu", "the fastest other file", OTHER_FILES, each=0.98),
    Contest("archspec tuned", "OpenVINO", OPENVINO, mean=1.0),
    Contest("archspec tuned", "torch.compile", COMPILED, mean=1.3),
)


@dataclass
class Cell:
    """The times of one network at one batch: per candidate and round the seconds of each call."""

    network: str
    side: int
    batch: int
    opened: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    calls: dict[str, list[list[float]]] = field(default_factory=dict)

    def medians(self, name: str) -> list[float]:
        return [median(calls) for calls in self.calls[name]]

    def latency(self, name: str) -> float:
        return median(self.medians(name))

    def fastest(self, names: Iterable[str]) -> str | None:
        """The fastest of these candidates, as far as they ran."""
        return min((name for name in names if name in self.calls), key=self.latency, default=None)

    def ratios(self, ours: str, peer: str) -> list[float]:
        """The ratio peer / ours of each round."""
        return [theirs / own for own, theirs in zip(self.medians(ours), self.medians(peer), strict=True)]

    def to_dict(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "batch": self.batch,
            "side": self.side,
            "failed": self.failed,
            "tuned_settings": self.settings,
            "candidates": {name: self._describe(name) for name in self.calls},
        }

    def _describe(self, name: str) -> dict[str, Any]:
        latency = self.latency(name)
        return {
            "latency": spread(self.medians(name)) | {"p99": self.tail(name)},
            "calls": sum(map(len, self.calls[name])),
            "throughput": self.batch / latency,
            "seconds_to_first_result": self.opened[name],
            "relative_difference": self.apart.get(name),
        }

    def tail(self, name: str) -> float:
        """The 99th percentile of all calls; of fewer than a hundred nearly the slowest."""
        return float(np.percentile([taken for calls in self.calls[name] for taken in calls], 99))
