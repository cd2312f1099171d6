"""The inputs at which the forms of a network are compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from archspec.errors import ArchspecError
from archspec.ops import OpError
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from compiler.onnx_file.accepted import AcceptedSize, vary_apart
from compiler.sizes.accepted_sizes import accepted_sizes

MAX_PROOF_MACS = 8_000_000_000
"""The most multiply-accumulates of one comparison, about: a few seconds on two cores."""

WRITTEN = 32
"""The multiply-accumulates for which a number counts that is written: a proof must not make too many of those
either."""

SMALL_SIZE = 64
"""A small size, where a network takes such."""

Sizes = Mapping[str, int]
Fits = Callable[[int, Sizes], bool]
"""True of a batch at these sizes that is within the budget."""


def proof_cases(graph: Graph) -> list[dict[str, tuple[int, ...]]]:
    """Input shapes, batch included, at which an export is compared: the usual size where that is cheap, and where sizes
    are dynamic the smallest ones, small ones that are different along each axis, and those at the far end of what is
    promised; batches of one, two and three. Raises ArchspecError where the network does not keep what it promises.

    >>> archspec.proof_cases(archspec.elaborate(archspec.load("residual_mlp")))
    [{'x': (1, 100)}, {'x': (3, 100)}, {'x': (2, 100)}]
    """

    def is_cheap(batch: int, sizes: Sizes) -> bool:
        return batch * _count_work(_resize(graph, sizes)) <= MAX_PROOF_MACS

    chosen = list(choose_small(accepted_sizes(graph), is_cheap))
    chosen += [(batch, {}) for batch in (2, 1) if is_cheap(batch, {})][:1]
    cases = []
    for batch, sizes in chosen:
        inputs = _resize(graph, sizes).inputs
        case = {name: (batch, *node.shape) for name, node in inputs.items()}
        cases += [] if case in cases else [case]
    return cases


def _resize(graph: Graph, sizes: Sizes) -> Graph:
    try:
        return graph.resize(sizes) if sizes else graph
    except OpError as error:
        found = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise ArchspecError(f"{graph.name} promises to take {found}, and does not: {error}") from error


def choose_small(
    rules: Mapping[str, AcceptedSize], is_cheap: Fits = lambda batch, sizes: False
) -> list[tuple[int, Sizes]]:
    """Batches with values of the sizes that are dynamic; those that are not stay unsaid.

    One sample at small sizes, different along each axis; three at the smallest; and where that is cheap, one and two
    with every other size at its far end and the rest at their smallest: so each size meets both ends of its rule, apart
    from its neighbours. Where a rule has no end, the far end is beyond twice the usual value.
    """
    names = vary_apart(rules)
    small = {
        name: rules[name].sample(min(SMALL_SIZE, rules[name].value), turn + 2)[-2] for turn, name in enumerate(names)
    }
    chosen: list[tuple[int, Sizes]] = [(1, small), (3, {name: rules[name].first for name in names})]
    for batch, turn in ((1, 1), (2, 0)):
        far = names[turn::2]
        reach = next((sizes for sizes in _reach(rules, names, far) if is_cheap(batch, sizes)), None)
        chosen += [(batch, reach)] if far and reach else []
    return chosen


def _reach(rules: Mapping[str, AcceptedSize], names: Sequence[str], far: Sequence[str]) -> Iterator[dict[str, int]]:
    """Sizes of which those in `far` are at their end, or beyond twice their usual value; then just beyond that."""
    usual = {name: rules[name].value for name in far}
    for wanted in (
        {name: rules[name].last or 2 * value + 1 for name, value in usual.items()},
        {name: value + 1 for name, value in usual.items()},
    ):
        ends = {name: rules[name].sample(wanted[name], 1)[0] for name in far}
        yield {name: ends.get(name, rules[name].first) for name in names}


def _count_work(graph: Graph) -> int:
    """Multiply-accumulates, or what is as much where few numbers are multiplied and many are written."""
    cost = measure_cost(graph)
    return int(max(cost.macs["conv-linear"], WRITTEN * sum(node.written for node in cost.nodes)))
