"""Marks of numbers that are not exact: bounds and estimates.

A number without a mark is exact, by the convention that its analysis names. The result of an analysis says of which
others it is not: its property `marks` has them by their key in `to_dict()`, and a key's mark holds for all below it.
`Report.marks` has those of all parts, by the keys of `analyze --all --json`, and so of `archspec assert`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

_INDEX = re.compile(r"\[-?\d+\]")


class MarkKind(StrEnum):
    """The ways in which a number is not exact."""

    AT_LEAST = "at least"
    AT_MOST = "at most"
    ESTIMATE = "estimate"

    @property
    def sign(self) -> str:
        """The sign that stands before the number in a table."""
        return {MarkKind.AT_LEAST: "≥ ", MarkKind.AT_MOST: "≤ ", MarkKind.ESTIMATE: "~"}[self]


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark says that a number is a bound or an estimate, and `why`: a clause for a footnote."""

    kind: MarkKind
    why: str

    def to_dict(self) -> dict[str, str]:
        return {"kind": str(self.kind), "why": self.why}


Marks: TypeAlias = Mapping[str, Mark]


def at_least(why: str) -> Mark:
    """Mark a lower bound."""
    return Mark(MarkKind.AT_LEAST, why)


def at_most(why: str) -> Mark:
    """Mark an upper bound."""
    return Mark(MarkKind.AT_MOST, why)


def estimate(why: str) -> Mark:
    """Mark a number that may be off either way."""
    return Mark(MarkKind.ESTIMATE, why)


def find_mark(marks: Marks, key: str) -> Mark | None:
    """Find the mark of the number at a key such as `memory.training_saved_bytes`: its own, or that of the nearest key
    above it; None where the number is exact. Entries of a list have those of the list: `stages[0].macs` that of
    `stages.macs`."""
    key = key if key in marks else _INDEX.sub("", key)
    while key not in marks and "." in key:
        key = key.rpartition(".")[0]
    return marks.get(key)


def show(text: str, mark: Mark | None) -> str:
    """Write a number as a table prints it: `126`, `≥ 126`, `≤ 126` or `~126`."""
    return f"{mark.kind.sign if mark else ''}{text}"


def explain(marks: Marks) -> Iterable[str]:
    """Write a footnote for each reason, with the numbers that it holds for: `≥ at least: training_saved_bytes
    (why)`."""
    keys: dict[Mark, list[str]] = {}
    for key, mark in marks.items():
        keys.setdefault(mark, []).append(key)
    for mark, found in keys.items():
        yield f"{mark.kind.sign.strip()} {mark.kind}: {', '.join(found)} ({mark.why})"


def nest(part: str, marks: Marks) -> dict[str, Mark]:
    """Give the marks of a part of a result the keys that they have in the whole; the empty key is the part itself."""
    return {".".join(filter(None, (part, key))): mark for key, mark in marks.items()}
