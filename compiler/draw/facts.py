"""The facts that a page has of each node: one column of ready texts for each answer that there is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import Place
from archspec.spec.zoo import ZOO
from archspec.wording import write_shape
from compiler.analysis.cost.cost import Cost
from compiler.analysis.cost.node import NodeCost
from compiler.graph import Graph

if TYPE_CHECKING:
    from compiler.analysis.report import Report


@dataclass(frozen=True)
class FactColumn:
    """A fact's name, and its text for each node in the graph's order, empty where there is none."""

    title: str
    texts: tuple[str, ...]


def list_facts(graph: Graph, report: Report | None) -> list[FactColumn]:
    """List the columns, without those that a report does not answer."""
    columns = [
        FactColumn("operation", tuple(node.op.word for node in graph)),
        FactColumn("shape", tuple(str(node.shape) for node in graph)),
    ]
    if report:
        columns += _list_paths(graph, report)
        columns += _list_signal(graph, report)
        columns += _list_fields(graph, report)
        columns += _list_memory(graph, report)
    places = (node.source.place for node in graph)
    return [*columns, FactColumn("in the spec", tuple(map(tell_place, places)))]


def tell_place(place: Place) -> str:
    """Write a place without the folders of this machine: a page is sent to others."""
    path = Path(place.file)
    inside = path.relative_to(ZOO) if path.is_relative_to(ZOO) else Path(path.name) if path.is_absolute() else path
    return str(place._replace(file=inside.as_posix())) if place.file else ""


@dataclass(frozen=True)
class Parts:
    """The costs of the parts of a network by their names, in its order; `word` says what a part is."""

    word: str
    costs: tuple[tuple[str, Cost], ...]
    text: str
    """The way in which it was parted, in the words of a caption."""

    @property
    def parts_evenly(self) -> bool:
        """True if they are few, and none of them is nearly the whole."""
        macs = [cost.macs["conv-linear"] for _, cost in self.costs]
        return 1 < len(macs) <= MAX_PARTS and max(macs) <= MAX_SHARE * sum(macs)


MAX_PARTS = 24
"""The largest number of parts of a network that are compared."""
MAX_SHARE = 0.95
"""The largest share of a network that a part has; a larger one says nothing of what is in it."""


def split_cost(graph: Graph, cost: Cost) -> Parts:
    """Split the cost into parts by stage; where there are too many, as gates that leave the map may make them, by map;
    and where one of those is nearly all, as the sequence of a transformer is, by operation."""
    stages = tuple((_name_space(stage.space), stage) for stage in cost.stages)
    by_stage = Parts("stage", stages, "by stage, from one stride to the next; a stage is called after its last map")
    maps = _join((_name_space(stage.space), stage) for stage in cost.stages)
    by_map = Parts("map", maps, "by map: all stages that end with maps of these extents")
    words = _join((graph[node.id].op.word, Cost((node,))) for node in cost.nodes)
    counted = tuple((word, part) for word, part in words if part.macs["conv-linear"] or part.parameters)
    by_word = Parts("operation", counted, "by operation")
    return next((parts for parts in (by_stage, by_map) if parts.parts_evenly), by_word)


def _name_space(space: Sequence[int]) -> str:
    return write_shape(space, "no map")


def _join(parts: Iterable[tuple[str, Cost]]) -> tuple[tuple[str, Cost], ...]:
    """Join the columns of one name."""
    nodes: dict[str, list[NodeCost]] = {}
    for name, part in parts:
        nodes.setdefault(name, []).extend(part.nodes)
    return tuple((name, Cost(tuple(found))) for name, found in nodes.items())


def _list_paths(graph: Graph, report: Report) -> list[FactColumn]:
    through, total = report.paths.through_ops, report.paths.op.total
    if through is None:
        return []
    shares = (through.get(id, 0) * 10**6 // total / 10**4 for id in graph.nodes)  # integers first: beyond a float
    return [FactColumn("paths through it", tuple(f"{share:.2f} %" for share in shares))]


def _list_signal(graph: Graph, report: Report) -> list[FactColumn]:
    if report.variance is None:
        return []
    rows = {row.id: row for row in report.variance.nodes}
    found = [rows.get(id) for id in graph.nodes]
    return [
        FactColumn("mean", tuple(_number(row.mean if row else None) for row in found)),
        FactColumn("second moment", tuple(_number(row.second_moment if row else None) for row in found)),
        FactColumn(
            "gradient's second moment", tuple(_number(row.gradient_second_moment if row else None) for row in found)
        ),
    ]


def _list_fields(graph: Graph, report: Report) -> list[FactColumn]:
    field = report.receptive_field
    if field is None:
        return []
    sizes = (max(field.of(id), key=lambda seen: max(seen.size, default=0), default=None) for id in graph.nodes)
    return [FactColumn("receptive field", tuple(write_shape(seen.size) if seen else "" for seen in sizes))]


def _list_memory(graph: Graph, report: Report) -> list[FactColumn]:
    if report.memory is None:
        return []
    saved = report.memory.training.by_node
    live = {moment.node: moment.bytes for moment in report.memory.inference.timeline}
    return [
        FactColumn("live at inference", tuple(f"{live[id]:,} bytes" if id in live else "" for id in graph.nodes)),
        FactColumn("saved for training", tuple(f"{saved[id]:,} bytes" if saved.get(id) else "" for id in graph.nodes)),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
