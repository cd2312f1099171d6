"""Rules, and the findings that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archspec.errors import BlockCall, Place, tell_calls
from archspec.spec.codes import Code
from compiler.graph import Node

if TYPE_CHECKING:
    from compiler.analysis.lint.context import LintContext


@dataclass(frozen=True, slots=True)
class Finding:
    """One cause at one place of a spec: what it is, what to do, and the nodes of the graph that it shows in.

    `calls` are the block calls that lead to the first of these nodes, innermost first.
    """

    code: str
    message: str
    remedy: str
    place: Place
    nodes: tuple[str, ...] = ()
    calls: tuple[BlockCall, ...] = ()

    def __str__(self) -> str:
        times = f" ({len(self.nodes):,} places)" if len(self.nodes) > 1 else ""
        return f"{self.place}: warning[{self.code}]: {self.message}{times}; {self.remedy}{tell_calls(self.calls)}"

    def to_dict(self) -> dict[str, Any]:
        rows = {"code": self.code, "message": self.message, "remedy": self.remedy, **self.place.to_dict()}
        return {**rows, "nodes": list(self.nodes), "calls": [call.to_dict() for call in self.calls]}


@dataclass(frozen=True, slots=True)
class Hit:
    """A hit is what the check of a rule gives; the rule adds its code, and its own remedy where `remedy` is empty."""

    message: str
    place: Place
    nodes: tuple[str, ...] = ()
    calls: tuple[BlockCall, ...] = ()
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class LintRule(Code):
    """A code that a function looks for."""

    check: Callable[[LintContext], Iterable[Hit]]
    remedy_of_files: str = ""
    """The remedy where the network comes from an ONNX file, in which nobody can write a field; else `remedy`."""

    def find(self, context: LintContext) -> Iterable[Finding]:
        usual = self.remedy if context.spec else self.remedy_of_files or self.remedy
        for hit in self.check(context):
            yield Finding(self.code, hit.message, hit.remedy or usual, hit.place, hit.nodes, hit.calls)


def at_each_place(
    nodes: Iterable[Node],
    tell: Callable[[Sequence[Node]], str],
    tell_remedy: Callable[[Sequence[Node]], str] | None = None,
) -> Iterable[Hit]:
    """Make one hit for each place of a spec, for all the nodes that were unrolled from it; `tell` says what they
    share."""
    groups: dict[Place, list[Node]] = {}
    for node in nodes:
        groups.setdefault(node.source.place, []).append(node)
    for place, group in groups.items():
        remedy = tell_remedy(group) if tell_remedy else ""
        yield Hit(tell(group), place, tuple(node.id for node in group), group[0].source.calls, remedy)
