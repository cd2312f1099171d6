"""Which path lengths carry the gradient at initialization: an estimate from the gains of each operation.

A path's length is the number of residual or dense bodies on it, as at block level in `paths`. Taking branches as
independent and gradients as zero-mean, energies (second moment times elements) add up: the energy by length of the
gradient that arrives at a node is a polynomial in z, and each operand of the node gets it times the squared gain of the
way there, and times z out of a body. Of a chain of blocks, M(z) = Π (s_l + g_l z) with the squared gains of shortcut
and body. For equal gains that is the binomial distribution; where the variance before block l is l, and a
normalization starts each body, g_l / s_l = 1 / l and the mean length is H_(n+1) - 1 (De and Smith, 2020). Behind a ReLU
it is more: normalization also removes what a unit adds to all samples alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import TYPE_CHECKING, Any, TypeAlias

from compiler.analysis.paths.counting import count_paths, enters_body
from compiler.analysis.signal import predict_gains
from compiler.graph import Graph

if TYPE_CHECKING:
    import numpy as np

    Logs: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]

CARRIED = 0.95
"""Of the energy, by the lengths that are called effective."""


@dataclass(frozen=True, slots=True)
class Effective:
    """The shortest run of lengths that carries `CARRIED` of the energy, and its share of all paths, where they were
    counted by length."""

    first: int
    last: int
    energy: float
    paths: float | None

    def to_dict(self) -> dict[str, Any]:
        return {"from": self.first, "to": self.last, "energy": self.energy, "paths": self.paths}


@dataclass(frozen=True)
class PathGradient:
    """The gradient with respect to the inputs by path length: `shares` of its energy for the lengths from 0, and the
    number of `paths` of each length, None where that was not counted.

    `unknown` are the nodes whose gains no law gives; they are taken to pass the gradient on unchanged.
    """

    shares: tuple[float, ...]
    paths: Mapping[int, int] | None
    unknown: tuple[str, ...] = ()

    @property
    def mean(self) -> float:
        """The mean length, weighted by energy."""
        return sum(length * share for length, share in enumerate(self.shares))

    @cached_property
    def effective(self) -> Effective:
        return find_effective(self.shares, self.paths)

    def to_dict(self) -> dict[str, Any]:
        lengths = [
            {"length": length, "paths": None if self.paths is None else self.paths.get(length, 0), "share": share}
            for length, share in enumerate(self.shares)
        ]
        effective = self.effective.to_dict()
        unknown = list(self.unknown)
        return {"estimate": True, "mean": self.mean, "effective": effective, "lengths": lengths, "unknown": unknown}


def predict_path_gradient(graph: Graph) -> PathGradient:
    """Predict the gradient by path length at initialization, in training mode, for standard normal inputs and gradients
    at the outputs of one size in all elements."""
    import numpy as np

    gains = predict_gains(graph)
    logs = _carry_back(graph, gains)
    energies = np.exp(logs - logs.max()) if logs.size and np.isfinite(logs.max()) else np.ones(1)
    shares = energies / energies.sum()
    unknown = tuple(id for id, passed in gains.items() if passed is None)
    return PathGradient(tuple(map(float, shares)), count_paths(graph).block.by_length, unknown)


def _carry_back(graph: Graph, gains: Mapping[str, tuple[float, ...] | None]) -> Logs:
    """The logarithms of the energy that arrives at the inputs, by length; logarithms, since a thousand doublings are
    beyond a float."""
    import numpy as np

    arrived: dict[str, Logs] = {}
    for id in graph.outputs.values():
        arrived[id] = _add(arrived.get(id), np.array([log(graph[id].shape.elements)]))
    total: Logs | None = None
    for node in reversed(list(graph)):
        logs = arrived.pop(node.id, None)
        if logs is None:
            continue
        if not node.inputs:
            total = _add(total, logs)
        passed = gains[node.id] or (1.0,) * len(node.carriers)
        for i, (operand, gain) in enumerate(zip(node.carriers, passed, strict=True)):
            if gain > 0:
                longer = np.concatenate(([-np.inf], logs)) if enters_body(node, i) else logs
                arrived[operand] = _add(arrived.get(operand), longer + log(gain))
    return np.empty(0) if total is None else total


def _add(a: Logs | None, b: Logs) -> Logs:
    """The logarithms of a sum, length by length."""
    import numpy as np

    if a is None:
        return b
    size = max(len(a), len(b))
    a, b = (np.pad(logs, (0, size - len(logs)), constant_values=-np.inf) for logs in (a, b))
    return np.logaddexp(a, b)


def find_effective(shares: Sequence[float], paths: Mapping[int, int] | None) -> Effective:
    """The shortest run of lengths with `CARRIED` of all energy; of several, the one with the most."""
    runs = _find_runs(shares, CARRIED * sum(shares))
    first, last, energy = min(runs, key=lambda run: (run[1] - run[0], -run[2]))
    if paths is None:
        return Effective(first, last, energy, None)
    inside = sum(count for length, count in paths.items() if first <= length <= last)
    return Effective(first, last, energy, inside / sum(paths.values()))


def _find_runs(shares: Sequence[float], wanted: float) -> Iterator[tuple[int, int, float]]:
    """For each last length the shortest run that ends there and has at least so much."""
    first, energy = 0, 0.0
    for last, share in enumerate(shares):
        energy += share
        while first < last and energy - shares[first] >= wanted:
            energy -= shares[first]
            first += 1
        if energy >= wanted:
            yield first, last, energy
