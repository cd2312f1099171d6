"""What a page says of each node: one column of ready texts for each answer that there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.graph import Graph

if TYPE_CHECKING:
    from compiler.analysis.cost import Cost
    from compiler.analysis.report import Report


@dataclass(frozen=True)
class Column:
    """A fact's name, and its text for each node in the graph's order, empty where there is none."""

    title: str
    texts: tuple[str, ...]


def list_facts(graph: Graph, report: Report | None) -> list[Column]:
    """The columns, without those that a report does not answer."""
    columns = [
        Column("operation", tuple(node.op.word for node in graph)),
        Column("shape", tuple(str(node.shape) for node in graph)),
    ]
    if report:
        columns += _list_paths(graph, report)
        columns += _list_signal(graph, report)
        columns += _list_fields(graph, report)
        columns += _list_memory(graph, report)
    places = (node.source.place for node in graph)
    return [*columns, Column("in the spec", tuple(str(place) for place in places))]


def name_stage(stage: Cost) -> str:
    """What a stage is called: the extents of its largest map."""
    return "×".join(map(str, stage.space)) or "no map"


def _list_paths(graph: Graph, report: Report) -> list[Column]:
    through, total = report.paths.through_ops, report.paths.op.total
    if through is None:
        return []
    shares = (through.get(id, 0) * 10**6 // total / 10**4 for id in graph.nodes)  # integers first: beyond a float
    return [Column("paths through it", tuple(f"{share:.2f} %" for share in shares))]


def _list_signal(graph: Graph, report: Report) -> list[Column]:
    if report.variance is None:
        return []
    rows = {row.id: row for row in report.variance.nodes}
    found = [rows.get(id) for id in graph.nodes]
    return [
        Column("mean", tuple(_number(row.mean if row else None) for row in found)),
        Column("second moment", tuple(_number(row.second_moment if row else None) for row in found)),
        Column(
            "gradient's second moment", tuple(_number(row.gradient_second_moment if row else None) for row in found)
        ),
    ]


def _list_fields(graph: Graph, report: Report) -> list[Column]:
    field = report.receptive_field
    if field is None:
        return []
    sizes = (max(field.of(id), key=lambda seen: max(seen.size, default=0), default=None) for id in graph.nodes)
    return [Column("receptive field", tuple("×".join(map(str, seen.size)) if seen else "" for seen in sizes))]


def _list_memory(graph: Graph, report: Report) -> list[Column]:
    if report.memory is None:
        return []
    saved = report.memory.training.by_node
    live = {moment.node: moment.bytes for moment in report.memory.inference.timeline}
    return [
        Column("live at inference", tuple(f"{live[id]:,} bytes" if id in live else "" for id in graph.nodes)),
        Column("saved for training", tuple(f"{saved[id]:,} bytes" if saved.get(id) else "" for id in graph.nodes)),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
