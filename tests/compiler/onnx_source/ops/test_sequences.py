"""Attention in one node."""

from __future__ import annotations

from pathlib import Path

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from compiler.analysis.cost.cost import measure_cost
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import (
    build_nodes,
    node,
)
from tests.support.models import save


def test_attention_in_one_node_counts_as_its_products_do(tmp_path: Path) -> None:
    """The operation of opset 23; the products are torch's of the same extents."""
    nodes = [node("Split", "x", "q k v", axis=3, num_outputs=3), node("Attention", "q k v")]
    path = save(build_nodes(nodes, (1, 4, 7, 24), {}, opset=23), tmp_path / "m.onnx")
    graph = verify(read_graph(path))
    q, k, v = torch.rand(3, 1, 4, 7, 8)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        F.scaled_dot_product_attention(q, k, v)
    macs = measure_cost(graph).macs
    assert (macs["flops"], macs["conv-linear"]) == (counter.get_total_flops(), 0)
    assert graph[graph.outputs["y"]].shape == (4, 7, 8)
