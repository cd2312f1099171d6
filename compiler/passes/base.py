"""What every pass is: a rule from a graph and its weights to another pair, which computes the same at inference unless
the pass says otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.graph import Graph
from compiler.verify import verify


@dataclass(frozen=True, eq=False)
class LazyArray:
    """An array that is computed each time it is asked for, so that a network's new weights are never all in memory."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    compute: Callable[[], NDArray[Any]]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.compute(), dtype)


Array: TypeAlias = NDArray[Any] | LazyArray
Arrays: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Pass(ABC):
    """A pass is called; it verifies the graph and its weights before and after `apply`."""

    @abstractmethod
    def apply(self, graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]: ...

    def __call__(self, graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
        _check(graph, weights)
        graph, weights = self.apply(graph, weights)
        _check(graph, weights)
        return graph, weights


def run_passes(passes: Iterable[Pass], graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
    """Run passes one after the other."""
    for step in passes:
        graph, weights = step(graph, weights)
    return graph, weights


def _check(graph: Graph, weights: Arrays) -> None:
    verify(graph).check_weights({name: value.shape for name, value in weights.items()})
