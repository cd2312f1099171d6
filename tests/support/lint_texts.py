"""Specs as text, looked over; a `▸` stands before each word at which something should be found."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archspec.api import to_torch
from archspec.ops import Add
from archspec.spec.load import load
from compiler.analysis.lint import Finding, lint_graph
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from tests.archspec.spec.texts import unmarked, write

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


@dataclass(frozen=True)
class Case:
    """A spec with a mark at each finding of `code`, the same put right, and what a finding says."""

    code: str
    wrong: str
    right: str
    says: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()


def swap(code: str, text: str, old: str, new: str, says: str, name: str = "") -> Case:
    """A case that is put right by other words in the place of some."""
    plain = unmarked(text)[0]
    assert old in plain
    return Case(code, text, plain.replace(old, new), says, name)


def graph_with(text: str, code: str) -> Graph:
    """The graph of a spec in which a rule finds something."""
    graph, findings = build(text)
    assert code in {finding.code for finding in findings}
    return graph


def graph_without(text: str, code: str) -> Graph:
    graph, findings = build(text)
    assert code not in {finding.code for finding in findings}
    return graph


def run(graph: Graph, x: Tensor, *, training: bool = True) -> Tensor:
    torch.manual_seed(0)
    result = to_torch(graph).train(training)(x)
    assert isinstance(result, Tensor)
    return result


def every_value(graph: Graph, x: Tensor) -> dict[str, Tensor]:
    """The values of all nodes of a network whose only merges are sums."""
    sums = iter([node.id for node in graph if isinstance(node.op, Add)])
    values: dict[str, Tensor] = {}

    class Recorder(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> Any:
            result = super().run_node(n)
            if n.op != "output":
                values[next(sums) if n.op == "call_function" else str(n.target)] = result
            return result

    Recorder(to_torch(graph)).run(x)
    assert values.keys() == graph.nodes.keys()
    return values


def images(batch: int = 8, seed: int = 0) -> Tensor:
    return torch.randn(batch, 4, 8, 8, generator=torch.Generator().manual_seed(seed))


def vectors(batch: int = 64) -> Tensor:
    return torch.randn(batch, 16, generator=torch.Generator().manual_seed(0))
