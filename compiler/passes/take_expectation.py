"""Training-only behaviour, replaced by its expected form."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.ops import (
    BatchNorm,
    BatchRenorm,
    Dropout,
    GhostBatchNorm,
    Mean,
    Op,
    Scale,
    Shake,
    ShakeDrop,
    Shift,
    StochasticDepth,
)
from compiler.graph import Graph, Node
from compiler.passes.base import Arrays, Journal, Pass


@dataclass(frozen=True)
class TakeExpectation(Pass):
    """Each operation as it is at inference, and no operation that changes nothing.

    dropout(x) = x, since training divides by what it keeps; stochastic_depth(x) = survival · x, or x where training
    divides; shake_drop(x) = survival · x; shake is the mean; ghost batch normalization and batch renormalization are
    batch normalization, with the same weights. 1 · x = x; x + 0 = x.
    """

    def apply(self, graph: Graph, weights: Arrays, journal: Journal) -> tuple[Graph, Arrays]:
        nodes: list[Node] = []
        renamed: dict[str, str] = {}
        for node in graph:
            op = _expected(node.op)
            if _changes_nothing(op):
                renamed[node.id] = node.inputs[0]
                journal.did(node.id, "removed: it changes nothing at inference")
            elif op is node.op:
                nodes.append(node)
            else:
                nodes.append(replace(node, op=op))
                journal.did(node.id, f"is {op.kind} at inference")
        return graph.with_nodes(nodes, renamed), weights


def _expected(op: Op) -> Op:
    """The operation as it is at inference."""
    match op:
        case Dropout():
            return Scale()
        case StochasticDepth():
            return Scale(value=op.expected)
        case ShakeDrop():
            return Scale(value=op.survival)
        case Shake():
            return Mean()
        case GhostBatchNorm() | BatchRenorm():
            return BatchNorm(**{name: getattr(op, name) for name in BatchNorm.model_fields})
        case _:
            return op


def _changes_nothing(op: Op) -> bool:
    """Whether it is a constant factor of one or a constant term of zero."""
    if isinstance(op, Scale):
        return op.value == 1 and not op.trainable
    return isinstance(op, Shift) and op.value == 0 and not op.trainable
