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
    products: int
    """The multiply-accumulates of two values, as attention has them."""
    bias_adds: int
    elementwise: int
    read: int
    """The number of elements in the operands that carry signal; none where the result is a view."""
    written: int
    """The number of elements in the result; none where it is a view."""
    block: str | None
    """The innermost residual or dense body that it belongs to; the shortcut and the merge belong to it too."""
    stage: int
    shared: int = 0
    """The number of trainable parameters that it shares with an earlier node, which counts them."""

    @property
    def learned(self) -> int:
        """The number of trainable parameters that it computes with."""
        return self.parameters + self.shared

    @property
    def elements(self) -> int:
        return self.shape.elements

    def to_dict(self) -> dict[str, Any]:
        row = self._asdict() | {"shape": list(self.shape)}
        return row if self.shared else {key: value for key, value in row.items() if key != "shared"}
