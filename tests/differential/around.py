"""What a node sees, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.differential.reading import Body


@dataclass(frozen=True)
class Handed:
    """A body given to a block, with what it saw where it was written."""

    body: Body
    around: Around


@dataclass(frozen=True)
class Around:
    """What a node sees, and where it stands."""

    names: Mapping[str, Any]
    taps: dict[str, str]
    path: str = ""
    bodies: Mapping[str, Handed] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Of the block around, which hold where those of the spec say nothing."""
    fixup: list[str] | None = None
    """In the body of a residual with `fixup`: its kernels so far."""

    def inside(self, name: str, **names: Any) -> Around:
        path = f"{self.path}.{name}" if self.path else name
        return replace(self, path=path, names={**self.names, **names})
