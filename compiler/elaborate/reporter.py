"""The mistakes of one walk through a spec, and the budget of nodes that it may take."""

from __future__ import annotations

from typing import Any, NoReturn

from archspec.errors import BlockCall, Diagnostic, Mistakes, Place, SpecError
from archspec.spec.marked import Written

NODE = 16
"""The number of parts as which the budget counts a node: a part of an expression, or an entry of a list, takes one."""

Calls = tuple[BlockCall, ...]


class SkipNode(Exception):  # noqa: N818  (it carries nothing)
    """This ends the work on one node, whose mistake has been reported; what follows gets no value."""


class Reporter:
    """A reporter keeps every mistake once, and stops the walk where the spec expands to too much."""

    def __init__(self, max_nodes: int) -> None:
        self.max_nodes = max_nodes
        self.mistakes: list[Diagnostic] = Mistakes()
        self.spent = 0
        """The part of its budget that the spec has taken, in parts of a node."""
        self._reported: set[tuple[str, Place]] = set()

    def spend(self, parts: int, written: Written, calls: Calls, *path: Any) -> None:
        """Take from the budget for a part of what is written. Raises SpecError where nothing is left of it."""
        self.spent += parts
        if self.spent > self.max_nodes * NODE:
            message = f"the spec expands to more than {self.max_nodes:,} nodes; --max-nodes raises the bound"
            self.stop("too-many-nodes", message, written.place_of(*path), calls)

    def report(self, code: str, message: str, place: Place, calls: Calls = ()) -> None:
        """Keep a mistake, unless the same was said of this place: a loop's later turns say it again."""
        if (code, place) not in self._reported:
            self._reported.add((code, place))
            self.mistakes.append(Diagnostic(code, message, place, calls))

    def fail(self, code: str, message: str, place: Place, calls: Calls = ()) -> NoReturn:
        """Keep a mistake, and end the work on its node. Raises SkipNode."""
        self.report(code, message, place, calls)
        raise SkipNode

    def stop(self, code: str, message: str, place: Place, calls: Calls = ()) -> NoReturn:
        """End the walk: nothing after it means anything. Raises SpecError."""
        raise SpecError([Diagnostic(code, message, place, calls)])
