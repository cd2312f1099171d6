"""Layers: the operations of the language."""

from __future__ import annotations

from archspec.spec.layers import LayerNode
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(LayerNode)
def layer(walk: Walk, node: LayerNode, step: Step) -> MaybeNode:
    """Put in a primitive operation."""
    return walk.builder.apply_layer(step, walk.evaluator.build_op(step, node.op, node.given))
