"""Calls of blocks, and of bodies that were handed to one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archspec.errors import BlockCall, suggest
from archspec.spec.blocks import Block
from archspec.spec.body import CallNode
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.evaluator import tell
from compiler.elaborate.scope import Closure, MaybeNode, Scope, Step
from compiler.elaborate.walk import Walk
from compiler.elaborate.words.networks import run_network
from compiler.elaborate.words.taps import find_value


@elaborates(CallNode)
def call(walk: Walk, node: CallNode, step: Step) -> MaybeNode:
    """Call a block with its arguments, or a body that was handed to the block around."""
    scope = step.scope
    if node.block in scope.bodies:
        closure = scope.bodies[node.block]
        here = replace(closure.scope, path=step.id, depth=scope.depth + 1, fixup=scope.fixup, home=step.home)
        here = replace(here, windows=scope.windows)
        return run_body(walk, closure.body, step.value, here)
    block = walk.spec.blocks[node.block]
    given = _evaluate_arguments(walk, node, step, block)
    values = _find_values(walk, node, step, block)
    bodies = {
        key: Closure(node.arguments.get(key) or (), scope)
        for key, argument in block.args.items()
        if argument.type == "block"
    }
    told = {**{key: tell(item) for key, item in given.items()}, **{key: label for key, (label, _) in values.items()}}
    text = f"{node.block}({', '.join(f'{key}={item}' for key, item in told.items())})"
    names = {**walk.spec.names, **given}
    calls = (BlockCall(text, node.place, step.id), *scope.calls)
    taps = {key: value for key, (_, value) in values.items()}
    place = step.id, calls, scope.depth + 1
    inside = Scope(
        names, taps, bodies, *place, block.defaults, scope.fixup, step.home, step.home or step.id, scope.windows
    )
    for key, expression in block.let.items():
        names[key] = walk.evaluator.evaluate(step.within(inside), expression, block.place_of("let", key))
    if block.spec is None:
        result = run_body(walk, block.body, step.value, inside)
        values_given = _find_given(walk, node, block, inside)
    else:
        result, values_given = run_network(walk, node, step, block, inside)
    for key, value in values_given.items() if node.name is not None else ():
        scope.taps[f"{node.name}.{key}"] = value
        walk.taps.keep(f"{node.name}.{key}", scope)
    return result


def _find_given(walk: Walk, node: CallNode, block: Block, inside: Scope) -> dict[str, MaybeNode]:
    """The values that a block gives, by the names under which it does."""
    given: dict[str, MaybeNode] = {}
    for i, (key, label) in enumerate(block.gives.items()):
        place = block.place_of("gives", i if isinstance(block.written["gives"], list) else key)
        wanted = walk.evaluator.write_label(label, inside, place)
        if wanted in inside.taps:
            given[key] = inside.taps[wanted]
        elif walk.incomplete:
            given[key] = None
        else:
            known = suggest(wanted, inside.taps) or f"; it taps {', '.join(inside.taps) or 'nothing'}"
            message = f"the block {node.block} should give '{wanted}', which its body never taps{known}"
            walk.reporter.fail("unknown-tap", message, place, inside.calls)
    return given


def _find_values(walk: Walk, node: CallNode, step: Step, block: Block) -> Mapping[str, tuple[str, MaybeNode]]:
    """The values that are handed to a block, by argument, each with its name at the call."""
    return {
        key: (
            walk.evaluator.fill_label(step, node.arguments[key], key),
            find_value(walk, step, node.arguments[key], key),
        )
        for key, argument in block.signature.items()
        if argument.type == "value"
    }


def _evaluate_arguments(walk: Walk, node: CallNode, step: Step, block: Block) -> Mapping[str, Any]:
    """The values of a block's arguments; a default sees the spec's params and the arguments before it."""
    given: dict[str, Any] = {}
    for key, argument in block.args.items():
        if argument.type in ("block", "value"):
            continue
        if key in node.arguments:
            place = step.place(key)
            value = walk.evaluator.evaluate(step, node.arguments[key], place)
        else:
            place = block.place_of("args", key)
            seen = step.within(replace(step.scope, names={**walk.spec.names, **given}))
            value = walk.evaluator.evaluate(seen, argument.default, place)
        given[key] = walk.evaluator.convert(step, key, argument.type, value, place)
    return given
