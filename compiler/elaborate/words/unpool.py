"""The way back from a pooling."""

from __future__ import annotations

from archspec.ops import MaxPool, MaxUnpool
from archspec.spec.nodes.unpool import MaxUnpoolNode
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.elaborate.words.taps import find_value


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
