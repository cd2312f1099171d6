"""The graded backward pass: gradients go back through a graph with a grade, the number of residual or dense bodies that
they came through.

Through a block with the Jacobians S of its shortcut and J of its body, G_l^(k) = Sᵀ G_(l+1)^(k) + Jᵀ G_(l+1)^(k-1); in
any graph what goes to the operand that is a body's result rises one grade. The grades add up to the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archspec.extras import extra
from archspec.ops import Op
from compiler.analysis.paths.counting import enters_body
from compiler.graph import Graph, Node

with extra("train"):
    import torch
    from torch import Tensor, nn

    from compiler.torch_target.rules import TorchRule
    from compiler.torch_target.running import run_nodes

EndGradients: TypeAlias = Sequence[tuple[str, Tensor]]
"""The gradients (N, C, *S) with respect to the results of nodes, by the nodes' ids."""


@dataclass(frozen=True, slots=True)
class NodeStep:
    """A node that ran by itself: its operands cut off from what they came from, and its result."""

    node: Node
    operands: tuple[Tensor, ...]
    result: Tensor

    def pull_back(self, gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The vector-Jacobian products with each operand that carries signal, of gradients in rows."""
        carried = self.operands[: len(self.node.data_inputs)]
        if not self.result.requires_grad:
            return (None,) * len(carried)
        # a batch of one would take longer than the gradient itself
        rules = {"retain_graph": True, "allow_unused": True}
        if len(gradients) > 1:
            return torch.autograd.grad(self.result, carried, gradients, is_grads_batched=True, **rules)
        parts: tuple[Tensor | None, ...] = torch.autograd.grad(self.result, carried, gradients[0], **rules)
        return tuple(None if part is None else part[None] for part in parts)


def run_forward(
    graph: Graph, module: nn.Module, inputs: Mapping[str, Tensor], rules: Mapping[type[Op], TorchRule] | None = None
) -> list[NodeStep]:
    """Compute the graph with the layers of its module from inputs (N, C, *S) by name, each node cut off from those
    before it. `rules` are those of a caller's own operations."""
    ran = run_nodes(graph, module, dict(inputs), detached=True, rules=rules)
    return [NodeStep(node, operands, result) for node, operands, result in ran if operands]


def carry_back(
    graph: Graph, steps: Sequence[NodeStep], ends: EndGradients, chosen: Mapping[str, int] | None = None
) -> Tensor:
    """Carry the gradients at the `ends`, each (N, C, *S), back to the graph's sources: (grades, numbers of them all).

    With `chosen`, at those nodes it takes the operand at that position only, and all is of one grade.
    """
    chosen = chosen or {}
    arrived: dict[str, Tensor] = {}
    for id, gradient in ends:
        arrived[id] = _add(arrived.get(id), gradient[None])
    for step in reversed(steps):
        node = step.node
        if node.id in graph.sources:
            continue
        sent = step.pull_back(arrived.pop(node.id)) if node.id in arrived else (None,) * len(node.data_inputs)
        for i, (id, part) in enumerate(zip(node.data_inputs, sent, strict=True)):
            if part is not None and chosen.get(node.id, i) == i:
                rises = enters_body(node, i) and not chosen
                arrived[id] = _add(arrived.get(id), torch.cat([torch.zeros_like(part[:1]), part]) if rises else part)
    none = torch.zeros(1, len(ends[0][1]), dtype=torch.float64)
    rows = [arrived[id].flatten(1) if id in arrived else none for id in graph.sources]
    grades = max(map(len, rows))
    return torch.cat([_pad(row, grades) for row in rows], dim=1)


def _add(a: Tensor | None, b: Tensor) -> Tensor:
    if a is None:
        return b
    grades = max(len(a), len(b))
    return _pad(a, grades) + _pad(b, grades)


def _pad(gradients: Tensor, grades: int) -> Tensor:
    """Add rows of zeros for the grades that are missing."""
    return torch.cat([gradients, gradients.new_zeros(grades - len(gradients), *gradients.shape[1:])])
