"""The comparisons of the benchmark on GPUs: candidates, and the cells of its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.measuring import (
    spread,
)
from benchmarks.networks import NETWORKS

PRECISIONS = ("fp32", "fp16", "int8")

MODES = {"resident": "images on the device", "whole": "from memory to memory"}


@dataclass(frozen=True)
class GpuCandidate:
    """A runtime of `gpu_runners.py`; whether it runs our file, the module, or the file of torch's exporter; and the
    precisions that it has."""

    runtime: str
    source: str
    precisions: Sequence[str] = ("fp32", "fp16")


CANDIDATES: Mapping[str, GpuCandidate] = {
    "CUDA": GpuCandidate("default", "archspec"),
    "CUDA, tuned": GpuCandidate("tuned", "archspec"),
    "TensorRT": GpuCandidate("tensorrt", "archspec", PRECISIONS),
    "CUDA of dynamo": GpuCandidate("default", "dynamo", ("fp32",)),
    "torch eager": GpuCandidate("eager", "module"),
    "torch.compile": GpuCandidate("compile", "module"),
    "Torch-TensorRT": GpuCandidate("torch-tensorrt", "module"),
}


OURS = ("CUDA", "CUDA, tuned", "TensorRT")


PEERS = tuple(name for name in CANDIDATES if name not in OURS)


REFERENCE = "torch eager"


@dataclass
class GpuCell:
    """The times of one network, batch and precision: per candidate, mode and round the seconds of each call."""

    network: str
    batch: int
    precision: str
    opened: dict[str, float] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=dict)
    agreeing: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    calls: dict[str, dict[str, list[list[float]]]] = field(default_factory=dict)

    @property
    def title(self) -> list[str]:
        return [self.network, str(self.batch), self.precision]

    def medians(self, name: str, mode: str) -> list[float]:
        return [median(calls) for calls in self.calls[name][mode]]

    def latency(self, name: str, mode: str) -> float:
        return median(self.medians(name, mode))

    def fastest(self, names: Iterable[str], mode: str) -> str | None:
        known = (name for name in names if name in self.calls)
        return min(known, key=lambda name: self.latency(name, mode), default=None)

    def compare(self, mode: str) -> dict[str, Any] | None:
        """The fastest peer's time / that of our fastest, of each round; None where one side is missing."""
        ours, peer = self.fastest(OURS, mode), self.fastest(PEERS, mode)
        if ours is None or peer is None:
            return None
        pairs = zip(self.medians(ours, mode), self.medians(peer, mode), strict=True)
        return {"ours": ours, "peer": peer, "ratio": spread([theirs / own for own, theirs in pairs])}

    def to_dict(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "batch": self.batch,
            "precision": self.precision,
            "side": NETWORKS[self.network],
            "could_not_run": self.failed,
            "candidates": {name: self._describe(name) for name in self.calls},
            "against_the_fastest_peer": {mode: self.compare(mode) for mode in MODES},
        }

    def _describe(self, name: str) -> dict[str, Any]:
        return {
            **{mode: spread(self.medians(name, mode)) for mode in MODES},
            "images_per_second": self.batch / self.latency(name, "resident"),
            "seconds_to_first_result": self.opened[name],
            "relative_difference_from_fp32": self.apart.get(name),
            "predictions_as_in_fp32": self.agreeing.get(name),
        }
