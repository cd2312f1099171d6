"""A flat network, as the interpreter gives it: operations, and what is counted of them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.differential import layers, shapes
from tests.differential.layers import Shape

LENDING = ("crop", "pad_space", "repeat_space", "resize", "map", "max_unpool")
"""The operations whose operands behind the first give no values."""


@dataclass(frozen=True)
class Operation:
    """One operation of a flat network: what it is called, does and takes."""

    name: str
    kind: str
    fields: Mapping[str, Any]
    inputs: tuple[str, ...]
    shape: Shape

    @property
    def data_inputs(self) -> tuple[str, ...]:
        """The operands whose values it takes; the others lend only their extents."""
        if self.kind == "learned":
            return ()
        return self.inputs[:1] if self.kind in LENDING else self.inputs


@dataclass
class Network:
    """What a document says: operations in order, inputs among them, and outputs by name."""

    operations: dict[str, Operation] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    letters: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """Each input's entries: extents and the letters of dynamic sizes."""
    integers: set[str] = field(default_factory=set)
    """The inputs of whole numbers."""

    def rows(self, name: str) -> int:
        """The rows of the smallest table in which the whole numbers of an input are looked up."""
        readers = [operation for operation in self.operations.values() if name in operation.data_inputs]
        return min((int(operation.fields["rows"]) for operation in readers), default=1)

    def operand_shapes(self, operation: Operation) -> list[Shape]:
        return [self.operations[name].shape for name in operation.inputs]

    def weights(self) -> dict[str, tuple[Shape, bool]]:
        """Every stored tensor by its whole name: its shape, and whether it is trained."""
        return {
            f"{operation.name}.{name}": stored
            for operation in self.operations.values()
            if operation.kind in (*layers.FIELDS, "attention", "deform_conv")
            for name, stored in shapes.weights(
                operation.kind, operation.fields, self.operand_shapes(operation)[0]
            ).items()
        }

    def macs(self) -> int:
        return sum(
            shapes.macs(operation.kind, operation.fields, self.operand_shapes(operation)[0])
            for operation in self.operations.values()
            if operation.kind in (*layers.FIELDS, "deform_conv")
        )

    def activations(self) -> int:
        """Numbers in the results of all operations for one sample; inputs are not counted."""
        return sum(math.prod(operation.shape) for operation in self.operations.values() if operation.kind != "input")

    def paths(self) -> Counter[int]:
        """How many ways lead from an input, or a learned value, to an output, by their number of operations."""
        ways: dict[str, Counter[int]] = {}
        for operation in self.operations.values():
            found: Counter[int] = Counter() if operation.data_inputs else Counter({0: 1})
            for name in operation.data_inputs:
                found.update({length + 1: count for length, count in ways[name].items()})
            ways[operation.name] = found
        return sum((ways[name] for name in self.outputs.values()), Counter())
