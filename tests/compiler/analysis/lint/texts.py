"""Specs as text, looked over; a `▸` stands before each word at which something should be found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from archspec.spec.load import load
from compiler.analysis.lint import Finding, lint_graph
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from tests.archspec.spec.texts import write

IMAGE = "archspec: 1\ninputs: {x: [4, 8, 8]}\nnetwork:\n"
VECTOR = "archspec: 1\ninputs: {x: [16]}\nnetwork:\n"


def lint_text(text: str, files: dict[str, str] | None = None, **options: Any) -> tuple[Finding, ...]:
    """What is found in a spec, with the files that it may import beside it."""
    return build(text, files, **options)[1]


def build(text: str, files: dict[str, str] | None = None, **options: Any) -> tuple[Graph, tuple[Finding, ...]]:
    """The graph of a spec, and what is found in it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (files or {}).items():
            write(Path(folder), content, name)
        spec = load(write(Path(folder), text))
        graph = elaborate(spec)
        return graph, lint_graph(graph, spec, **options)


def places(findings: tuple[Finding, ...], code: str) -> list[tuple[int, int]]:
    return [(finding.place.line, finding.place.column) for finding in findings if finding.code == code]
