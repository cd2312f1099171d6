"""Operations to which another value lends its extents."""

from __future__ import annotations

from archspec.spec.nodes.like import LikeNode
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.elaborate.words.taps import find_value


@elaborates(LikeNode)
def like(walk: Walk, node: LikeNode, step: Step) -> MaybeNode:
    """Put in an operation on the value that goes by and on the one that is named."""
    other = find_value(walk, step, node.like, "like")
    return walk.builder.apply(step, walk.evaluator.build_op(step, node.op, node.given), [step.value, other], step.id)
