"""A graph computed node by node: against forward hooks on the module, with values replaced on the way, and detached."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from archspec.api import to_torch
from compiler.graph import Graph
from compiler.torch_target.running import run_nodes
from tests.support.documents import graph_from
from tests.support.lowering import stir

RESIDUAL: dict[str, Any] = {
    "archspec": 1,
    "name": "small",
    "inputs": {"x": [2, 4, 4]},
    "network": [
        {"conv": {"out": 2, "name": "stem"}},
        {"residual": {"body": ["batch_norm", "relu", {"conv": 2}]}},
        "dropout",
        "flatten",
        {"linear": 3},
    ],
}


@pytest.fixture
def graph() -> Graph:
    return graph_from(RESIDUAL)


def test_each_result_is_what_a_hook_sees_in_a_run_of_the_whole(graph: Graph) -> None:
    module = stir(to_torch(graph)).eval()
    seen: dict[str, Tensor] = {}
    for name, part in module.named_modules():
        part.register_forward_hook(lambda part, operands, result, name=name: seen.update({name: result}))
    x = torch.randn(3, 2, 4, 4)
    whole = module(x)
    values = {"x": x}
    found = {node.id: result for node, _, result in run_nodes(graph, module, values)}
    assert list(found) == list(graph.nodes)
    for id in found.keys() & seen.keys():
        torch.testing.assert_close(found[id], seen[id], rtol=0, atol=0)
    assert len(found.keys() & seen.keys()) == len(graph) - 2  # all but the input and the addition
    torch.testing.assert_close(values[graph.outputs["output"]], whole, rtol=0, atol=0)


def test_what_the_caller_puts_in_a_results_place_is_read_from_there_on(graph: Graph) -> None:
    module = to_torch(graph).eval()
    values = {"x": torch.randn(1, 2, 4, 4)}
    for node, operands, _ in run_nodes(graph, module, values):
        if node.id == "stem":
            values["stem"] = torch.full_like(values["stem"], 7.0)
        if node.inputs[:1] == ("stem",):
            assert operands[0].eq(7).all()


def test_gradients_end_at_the_node_that_reads_only_when_detached(graph: Graph) -> None:
    module = to_torch(graph).train()
    for detached in (False, True):
        x = torch.randn(2, 2, 4, 4, requires_grad=True)
        runs = list(run_nodes(graph, module, {"x": x}, detached=detached))
        _, operands, result = runs[-1]
        reaches_input, reaches_operand = torch.autograd.grad(result.sum(), [x, operands[0]], allow_unused=True)
        assert (reaches_input is None) == detached
        assert reaches_operand is not None
        assert all(operand.is_leaf for _, operands, _ in runs[1:] for operand in operands) == detached
