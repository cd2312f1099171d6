"""The path lengths that carry the gradient at initialization: an estimate from the gains of each operation.

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
from functools import cached_property, reduce
from math import exp, inf, log
from operator import add
from typing import Any

from compiler.analysis.certainty import Mark, estimate
from compiler.analysis.paths.counting import Paths, count_paths, enters_body
from compiler.analysis.signal.signal import Signal, predict_signal
from compiler.graph import Graph

GAINS = estimate("energies add up where branches are independent, and the gains are those of wide layers")
CARRIED = 0.95
"""The share of the energy that the lengths that are called effective carry."""


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
    """The gradient with respect to the inputs, and what whole numbers look up, by path length: `shares` of its energy
    for the lengths from 0, and the number of `paths` of each length, None where that was not counted.

    `unknown` are the nodes whose gains no law gives; they are taken to pass the gradient on unchanged.
    """

    shares: tuple[float, ...]
    paths: Mapping[int, int] | None
    unknown: tuple[str, ...] = ()

    @property
    def marks(self) -> dict[str, Mark]:
        return {"": GAINS}

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
        return {"mean": self.mean, "effective": effective, "lengths": lengths, "unknown": unknown}


def predict_path_gradient(graph: Graph) -> PathGradient:
    """Predict the gradient by path length at initialization, in training mode, for standard normal inputs and gradients
    at the outputs of one size in all elements."""
    return weigh_paths(predict_signal(graph), count_paths(graph))


def weigh_paths(signal: Signal, paths: Paths) -> PathGradient:
    """Do what `predict_path_gradient` does, for a graph whose signal and paths are known."""
    gains = signal.gains
    arrived = _carry_back(signal.graph, gains)
    shares = arrived.shares if arrived else (1.0,)
    unknown = tuple(id for id, passed in gains.items() if passed is None)
    return PathGradient(shares, paths.block.by_length, unknown)


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy by length, for the lengths from `first` on: `values` times e^`scale`, since a thousand doublings are
    beyond a float. Along a chain only the two numbers change, and the values are shared."""

    values: tuple[float, ...]
    first: int = 0
    scale: float = 0.0

    def carry(self, gain: float, longer: int) -> Energies:
        return Energies(self.values, self.first + longer, self.scale + log(gain))

    def __add__(self, other: Energies) -> Energies:
        first, scale = min(self.first, other.first), max(self.scale, other.scale)
        total = [0.0] * (max(part.first + len(part.values) for part in (self, other)) - first)
        for part in (self, other):
            factor = exp(part.scale - scale)
            for i, value in enumerate(part.values, start=part.first - first):
                total[i] += factor * value
        largest = max(total)
        return Energies(tuple([value / largest for value in total]), first, scale + log(largest))

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of the sum, by length from 0."""
        total = sum(self.values)
        return (*(0.0,) * self.first, *(value / total for value in self.values))


def _carry_back(graph: Graph, gains: Mapping[str, tuple[float, ...] | None]) -> Energies | None:
    """The energy that arrives where the graph begins; None where none does."""
    arrived: dict[str, Energies] = {}
    sources = {*graph.sources}
    for id in graph.outputs.values():
        _add(arrived, id, Energies((1.0,), scale=log(graph[id].shape.elements)))
    for node in reversed(list(graph)):
        energies = arrived.pop(node.id, None) if node.id not in sources else None
        if energies is None:
            continue
        passed = gains[node.id] or (1.0,) * len(node.data_inputs)
        for i, (operand, gain) in enumerate(zip(node.data_inputs, passed, strict=True)):
            if 0 < gain < inf:
                _add(arrived, operand, energies.carry(gain, enters_body(node, i)))
    found = [arrived[id] for id in graph.sources if id in arrived]
    return reduce(add, found) if found else None


def _add(arrived: dict[str, Energies], id: str, more: Energies) -> None:
    arrived[id] = arrived[id] + more if id in arrived else more


def find_effective(shares: Sequence[float], paths: Mapping[int, int] | None) -> Effective:
    """Find the shortest run of lengths with `CARRIED` of all energy; of several, the one with the most."""
    runs = _find_runs(shares, CARRIED * sum(shares))
    first, last, energy = min(runs, key=lambda run: (run[1] - run[0], -run[2]))
    if paths is None:
        return Effective(first, last, energy, None)
    inside = sum(count for length, count in paths.items() if first <= length <= last)
    return Effective(first, last, energy, inside / sum(paths.values()))


def _find_runs(shares: Sequence[float], wanted: float) -> Iterator[tuple[int, int, float]]:
    """Find for each last length the shortest run that ends there and has at least so much."""
    first, energy = 0, 0.0
    for last, share in enumerate(shares):
        energy += share
        while first < last and energy - shares[first] >= wanted:
            energy -= shares[first]
            first += 1
        if energy >= wanted:
            yield first, last, energy
