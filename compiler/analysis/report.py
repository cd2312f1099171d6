"""All answers about one network in one object, as `analyze --json` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.ops import Shape
from compiler.analysis.cost import Cost, measure_cost
from compiler.analysis.paths import Paths, count_paths
from compiler.graph import Graph


@dataclass(frozen=True)
class Report:
    """The analysis of a network at given sizes, for one sample."""

    name: str
    sizes: Mapping[str, int]
    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]
    cost: Cost
    paths: Paths

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sizes": dict(self.sizes),
            "inputs": {name: list(shape) for name, shape in self.inputs.items()},
            "outputs": {name: list(shape) for name, shape in self.outputs.items()},
            **self.cost.to_dict(),
            "paths": self.paths.to_dict(),
        }


def analyze(graph: Graph, *, by_length: bool | None = None) -> Report:
    """Answer what is asked of every network. `by_length`: see `count_paths`."""
    return Report(
        name=graph.name,
        sizes=graph.sizes,
        inputs={name: node.shape for name, node in graph.inputs.items()},
        outputs={name: graph[id].shape for name, id in graph.outputs.items()},
        cost=measure_cost(graph),
        paths=count_paths(graph, by_length=by_length),
    )
