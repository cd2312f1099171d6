"""The cost of one operation."""

from __future__ import annotations

from typing import Any, NamedTuple

from archspec.ops import Shape


class NodeCost(NamedTuple):
    """One operation's cost for one sample; counts of numbers, not bytes."""

    id: str
    kind: str
    shape: Shape
    parameters: int
    frozen: int
    buffers: int
    macs: int
    bias_adds: int
    elementwise: int
    read: int
    """The number of elements in the operands that carry signal; none where the result is a view."""
    written: int
    """The number of elements in the result; none where it is a view."""
    block: str | None
    """The innermost residual or dense body that it belongs to; the shortcut and the merge belong to it too."""
    stage: int

    @property
    def elements(self) -> int:
        return self.shape.elements

    def to_dict(self) -> dict[str, Any]:
        return self._asdict() | {"shape": list(self.shape)}
