"""Operations to which another value lends its extents, or what it was pooled from."""

from __future__ import annotations

from archspec.ops import MaxPool, MaxUnpool
from archspec.spec.nodes.like import LikeNode, MaxUnpoolNode
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.elaborate.words.taps import find_value


@elaborates(LikeNode)
def like(walk: Walk, node: LikeNode, step: Step) -> MaybeNode:
    """Put in an operation on the value that goes by and on the one that is named."""
    other = find_value(walk, step, node.like, "like")
    return walk.builder.apply(step, walk.evaluator.build_op(step, node.op, node.given), [step.value, other], step.id)


@elaborates(MaxUnpoolNode)
def max_unpool(walk: Walk, node: MaxUnpoolNode, step: Step) -> MaybeNode:
    """Put in the way back from the pooling whose result is named: it reads what was pooled."""
    other = find_value(walk, step, node.like, "like")
    if other is None:
        return None
    if not isinstance(other.op, MaxPool):
        message = f"max_unpool undoes a max pooling, and '{other.id}' is {other.op.word}; put `tap` behind `max_pool`"
        walk.reporter.fail("bad-value", message, step.place("like"), step.calls)
    pooled = walk.builder.nodes[other.inputs[0]]
    return walk.builder.apply(step, MaxUnpool(**dict(other.op)), [step.value, pooled], step.id)
