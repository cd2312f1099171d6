"""The rows of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from archspec.errors import ArchspecError

Status: TypeAlias = Literal["passed", "noted", "failed"]


class UnansweredError(ArchspecError):
    """A file of which nothing can be said, since no inputs can be made up for it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was found. What is noted is no reason to fail."""

    name: str
    status: Status
    text: str

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status, "text": self.text}
