"""Bodies that run turn after turn, or by a test."""

from __future__ import annotations

from archspec.ops import Concat
from archspec.spec.nodes.flow import Dense, Repeat, When
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Repeat)
def repeat(walk: Walk, node: Repeat, step: Step) -> MaybeNode:
    """Send a value through a body, turn after turn."""
    value = step.value
    for turn in walk.list_turns(step, node):
        value = run_body(walk, node.body, value, turn)
    return value


@elaborates(Dense)
def dense(walk: Walk, node: Dense, step: Step) -> MaybeNode:
    """Send a value through a body, turn after turn, and concatenate each result with what it was given (Huang et al.,
    2017)."""
    value = step.value
    for turn in walk.list_turns(step, node):
        result = run_body(walk, node.body, value, turn.enter("body"))
        value = walk.builder.apply(step, Concat(), [value, result], turn.join("concat"), turn.path)
    return value


@elaborates(When)
def when(walk: Walk, node: When, step: Step) -> MaybeNode:
    """Send a value through one of two bodies, by a test."""
    test = walk.evaluator.evaluate(step, node.test, "test")
    if isinstance(test, list):
        message = "`test` of when should be true or false, found a list"
        walk.reporter.fail("bad-value", message, step.place("test"), step.calls)
    return run_body(walk, node.then if test else node.else_, step.value, step.enter())
