"""A graph computed in torch node by node, for those who look at each node's own result or put another in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping

from torch import Tensor, nn

from archspec.ops import Op
from compiler.graph import Graph, Node
from compiler.torch_target.rules import RULES, TorchRule


def run_nodes(
    graph: Graph,
    module: nn.Module,
    values: MutableMapping[str, Tensor],
    *,
    detached: bool = False,
    rules: Mapping[type[Op], TorchRule] | None = None,
) -> Iterator[tuple[Node, tuple[Tensor, ...], Tensor]]:
    """Compute `graph` with the layers of its `module`; each node is yielded with its operands and its result.

    `values` holds the inputs by name, (N, C, *S), and takes each node's result by its id. Operands are read from there
    when a node's turn comes, so between two nodes the caller may replace a value, or drop one that no later node reads.
    With `detached` each operand is a leaf of its own, and gradients end at the node that reads it. `rules` are those of
    a caller's own operations.
    """
    layers: dict[str, Callable[..., Tensor]] = dict(module.named_modules())
    table = RULES.extended(rules or {})
    for node in graph:
        operands = tuple(values[id] for id in node.inputs)
        if detached:
            operands = tuple(operand.detach().requires_grad_(operand.is_floating_point()) for operand in operands)
        if operands:
            compute = layers.get(node.home) or table[type(node.op)](node.op, *graph.operands(node))
            values[node.id] = compute(*operands)
        yield node, operands, values[node.id]
