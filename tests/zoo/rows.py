"""The zoo's table: what is known of each spec from outside this project, read from `facts/*.json`.

MACs count the weights of convolutions and linear layers for one sample; buffers are BatchNorm's means and variances,
without the counter that torchvision's own figures hold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from archspec.api import accepted_sizes, elaborate, load
from archspec.spec.zoo import zoo_specs
from compiler.graph import Graph

FACTS = Path(__file__).with_name("facts")

Setting = tuple[str, str, Mapping[str, Sequence[int]]]
"""A param, the text that sets it, and the shapes of the outputs then."""


@dataclass(frozen=True)
class Row:
    """One spec at its usual sizes."""

    name: str
    sizes: Mapping[str, int]
    parameters: int
    macs: int
    figures: str
    """Where the figures come from, in words."""
    accepted: str | Mapping[str, str] | None
    """The sizes that fit its weights, along every axis or by its letter; None where nothing is dynamic."""
    buffers: int | None = None
    paths: Mapping[str, int] | None = None
    settings: Sequence[Setting] = ()
    small: Mapping[str, Any] = field(default_factory=dict)
    """Sizes, and under `params` params, at which the network is quick to run."""

    @property
    def dynamic(self) -> bool:
        return any(not rule.endswith("alone") for rule in self.rules.values())

    @property
    def rules(self) -> Mapping[str, str]:
        """The sizes that fit along each axis."""
        return dict.fromkeys(self.sizes, self.accepted) if isinstance(self.accepted, str) else self.accepted or {}


def read_rows() -> list[Row]:
    return [Row(**row) for file in sorted(FACTS.glob("*.json")) for row in json.loads(file.read_text(encoding="utf-8"))]


ROWS = {row.name: row for row in read_rows() if row.name in zoo_specs()}
NAMES = sorted(ROWS)


@cache
def at_home(name: str) -> Graph:
    """The graph at the usual sizes."""
    return elaborate(load(name))


def build_small(row: Row) -> Graph:
    """The network as it is quick to run."""
    sizes = {name: size for name, size in row.small.items() if name != "params"}
    return elaborate(load(row.name, row.small.get("params")), sizes)


def choose_sizes(graph: Graph) -> list[Mapping[str, int]]:
    """The sizes that a graph has, and where they are dynamic others, different along each axis."""
    rules = accepted_sizes(graph)
    others = {name: rule.sample(rule.value, 1 + turn)[-1] for turn, (name, rule) in enumerate(rules.items(), start=1)}
    return [graph.sizes, others] if others != dict(graph.sizes) else [graph.sizes]
