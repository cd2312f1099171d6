"""The order of passes that put together again what exporters write in pieces: activations, norms, biases, shuffles."""

from __future__ import annotations

from compiler.graph import Graph
from compiler.onnx_source.simplify.activations import join_activations
from compiler.onnx_source.simplify.biases import join_biases
from compiler.onnx_source.simplify.moves import join_moves
from compiler.onnx_source.simplify.norms import join_group_norms


def recognize(graph: Graph) -> Graph:
    """Make each of the network's activations, group norms, biases and shuffles one piece."""
    return join_moves(join_biases(join_group_norms(join_activations(graph))))
