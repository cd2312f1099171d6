"""The inputs at which the forms of a network are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.accepted import Accepted, vary_apart
from compiler.analysis.cost import measure_cost
from compiler.graph import Graph
from compiler.sizes import accepted_sizes

PROOF_BUDGET = 8_000_000_000
"""Multiply-accumulates of one comparison, about: a few seconds on two cores."""

SMALL = 64
"""A small size, where a network takes such."""


def proof_cases(graph: Graph) -> list[dict[str, tuple[int, ...]]]:
    """Input shapes, batch included, at which an export is compared: the usual size where that is cheap, and where sizes
    are dynamic also small ones, different along each axis; batches of one, two and three."""
    chosen = choose_small(accepted_sizes(graph))
    macs = measure_cost(graph).macs["conv-linear"]
    if macs <= PROOF_BUDGET:
        chosen.append((2 if 2 * macs <= PROOF_BUDGET else 1, {}))
    cases = []
    for batch, sizes in chosen:
        shapes = graph.infer(sizes)
        case = {name: (batch, *shapes[name]) for name in graph.inputs}
        cases += [] if case in cases else [case]
    return cases


def choose_small(rules: Mapping[str, Accepted]) -> list[tuple[int, Mapping[str, int]]]:
    """Batches of one, three and two with small values of the sizes that are dynamic, different along each axis; those
    that are not stay unsaid."""
    small, larger = {}, {}
    for turn, name in enumerate(vary_apart(rules)):
        row = rules[name].sample(min(SMALL, rules[name].value), turn + 2)
        small[name], larger[name] = row[-2], row[-1]
    return [(1, small), (3, small), *([(2, larger)] if small else [])]


def list_shapes(shapes: Mapping[str, Sequence[int]]) -> str:
    """`image 1 × 3 × 224 × 224`."""
    return ", ".join(f"{name} {' × '.join(map(str, shape))}" for name, shape in shapes.items())
