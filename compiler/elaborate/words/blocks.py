"""Calls of blocks, and of bodies that were handed to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archspec.errors import BlockCall
from archspec.spec.body import CallNode
from archspec.spec.document import Block
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.evaluator import tell
from compiler.elaborate.scope import Closure, MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk


@elaborates(CallNode)
def call(walk: Walk, node: CallNode, step: Step) -> MaybeNode:
    """Call a block with its arguments, or a body that was handed to the block around."""
    scope = step.scope
    if node.block in scope.bodies:
        closure = scope.bodies[node.block]
        here = replace(closure.scope, path=step.id, depth=scope.depth + 1, fixup=scope.fixup)
        return run_body(walk, closure.body, step.value, here)
    block = walk.spec.blocks[node.block]
    given = _evaluate_arguments(walk, node, step, block)
    bodies = {
        key: Closure(node.arguments.get(key) or (), scope)
        for key, argument in block.args.items()
        if argument.type == "block"
    }
    text = f"{node.block}({', '.join(f'{key}={tell(item)}' for key, item in given.items())})"
    names = {**walk.spec.params, **given}
    calls = (BlockCall(text, node.place), *scope.calls)
    inside = Scope(names, {}, bodies, step.id, calls, scope.depth + 1, block.defaults, scope.fixup)
    for key, expression in block.let.items():
        names[key] = walk.evaluator.evaluate(step.within(inside), expression, block.place_of("let", key))
    return run_body(walk, block.body, step.value, inside)


def _evaluate_arguments(walk: Walk, node: CallNode, step: Step, block: Block) -> Mapping[str, Any]:
    """The values of a block's arguments; a default sees the spec's params and the arguments before it."""
    given: dict[str, Any] = {}
    for key, argument in block.args.items():
        if argument.type == "block":
            continue
        if key in node.arguments:
            place = step.place(key)
            value = walk.evaluator.evaluate(step, node.arguments[key], place)
        else:
            place = block.place_of("args", key)
            seen = step.within(replace(step.scope, names={**walk.spec.params, **given}))
            value = walk.evaluator.evaluate(seen, argument.default, place)
        given[key] = walk.evaluator.convert(step, key, argument.type, value, place)
    return given
