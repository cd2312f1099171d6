"""Reports as files."""

from __future__ import annotations

from pathlib import Path

from archspec.api import analyze, elaborate, load
from compiler.draw.page import write_page
from compiler.draw.picture import draw_graph
from compiler.graph import Graph
from tests.support.drawings import hostile_graph


def write_report(folder: Path, name: str) -> Path:
    """The report on a spec of the zoo, or on the graph with hostile names; written once."""
    file = folder / f"{name}.html"
    if not file.exists():
        graph: Graph = hostile_graph() if name == "hostile" else elaborate(load(name))
        report = analyze(graph, wanted=("receptive_field", "memory", "variance", "lint"))
        file.write_text(write_page(draw_graph(graph), report), encoding="utf-8")
    return file
