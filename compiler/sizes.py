"""Which values of its dynamic sizes a graph accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archspec.ops import OpError
from compiler.graph import Graph

MAX_STEP = 512
"""Networks that halve their extents nine times, at most."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The values of one dynamic size: first, first + step, …; `step` is 0 where only `value` fits the weights."""

    value: int
    first: int
    step: int

    @property
    def dynamic(self) -> bool:
        return self.step > 0

    def __contains__(self, size: object) -> bool:
        if not isinstance(size, int):
            return False
        return size == self.value if not self.dynamic else size >= self.first and (size - self.first) % self.step == 0

    def __str__(self) -> str:
        if not self.dynamic:
            return f"{self.value} alone"
        return f"any from {self.first}" if self.step == 1 else f"{self.first} + {self.step}·k"

    def nearest(self, size: int) -> int:
        """The accepted value nearest to `size`, the larger of two."""
        if not self.dynamic:
            return self.value
        below = max(self.first, size - (size - self.first) % self.step)
        return min((below + self.step, below), key=lambda fit: abs(fit - size))

    def to_dict(self) -> dict[str, int]:
        return {"value": self.value, **({"first": self.first, "step": self.step} if self.dynamic else {})}


def accepted_sizes(graph: Graph) -> dict[str, Accepted]:
    """For each dynamic size, the values that fit the graph and its weights, the other sizes as they are.

    The step is the smallest that leads from the present value to two larger ones; floors of strides repeat with it, so
    every further multiple fits. The first is found by bisection: what is too small stays too small.
    """
    return {name: _accepted(graph, name, value) for name, value in graph.sizes.items()}


def fits(graph: Graph, sizes: Mapping[str, int]) -> bool:
    """Whether the graph can be evaluated at other sizes with the weights it has."""
    try:
        return graph.resize(sizes).weights == graph.weights
    except OpError:
        return False


def _accepted(graph: Graph, name: str, value: int) -> Accepted:
    def fit(size: int) -> bool:
        return fits(graph, {name: size})

    far = MAX_STEP * 64  # beyond every window that a floor could hide a dependence in
    for step in range(1, MAX_STEP + 1):
        if fit(value + step) and fit(value + 2 * step) and fit(value + far // step * step):
            turns = _last(lambda k, step=step: fit(value - k * step), (value - 1) // step)  # type: ignore[misc]
            return Accepted(value, value - turns * step, step)
    return Accepted(value, value, 0)


def _last(holds: Callable[[int], bool], limit: int) -> int:
    """The largest k up to `limit` for which `holds`, given that it holds at 0 and, once false, stays so."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
