"""Calls of blocks, and of bodies that were handed to one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

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
        here = closure.scope._replace(path=step.id, depth=scope.depth + 1, home=step.home)
        return run_body(walk, closure.body, step.value, here._replace(fixup=scope.fixup, windows=scope.windows))
    block = walk.spec.blocks[node.block]
    given = _take_arguments(walk, node, step, block)
    told = [f"{key}={tell(item)}" for key, item in given.numbers.items()] + [*given.told]
    calls = (BlockCall(f"{node.block}({', '.join(told)})", node.place, step.id), *scope.calls)
    names = {**walk.spec.names, **given.numbers}
    place = step.id, calls, scope.depth + 1
    homes = step.home, step.home or step.id
    inside = Scope(names, given.values, given.bodies, *place, block.defaults, scope.fixup, *homes, scope.windows)
    for key, expression in block.let.items():
        names[key] = walk.evaluator.evaluate(step.within(inside), expression, "let", key, of=block)
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
    for key, wanted, place in walk.evaluator.list_given(block, inside.names, inside.calls):
        if wanted in inside.taps:
            given[key] = inside.taps[wanted]
        elif walk.incomplete:
            given[key] = None
        else:
            known = suggest(wanted, inside.taps) or f"; it taps {', '.join(inside.taps) or 'nothing'}"
            message = f"the block {node.block} should give '{wanted}', which its body never taps{known}"
            walk.reporter.fail("unknown-tap", message, place, inside.calls)
    return given


class _Arguments(NamedTuple):
    """What a block is given: numbers, values with what is told of them, and bodies."""

    numbers: dict[str, Any]
    values: dict[str, MaybeNode]
    told: list[str]
    bodies: dict[str, Closure]


def _take_arguments(walk: Walk, node: CallNode, step: Step, block: Block) -> _Arguments:
    """Take the arguments of a block from its call."""
    given = _Arguments({}, {}, [], {})
    for key, argument in block.signature.items():
        if argument.type == "block":
            given.bodies[key] = Closure(node.arguments.get(key) or (), step.scope)
        elif argument.type == "value":
            written = node.arguments[key]
            given.told.append(f"{key}={walk.evaluator.fill_label(step, written, key)}")
            given.values[key] = find_value(walk, step, written, key)
        else:
            given.numbers[key] = _evaluate_argument(walk, node, step, block, key, given.numbers)
    return given


def _evaluate_argument(
    walk: Walk, node: CallNode, step: Step, block: Block, key: str, before: Mapping[str, Any]
) -> Any:
    """Evaluate an argument; a default sees the spec's params and the arguments before it."""
    argument = block.args[key]
    if key in node.arguments:
        value = walk.evaluator.evaluate(step, node.arguments[key], key)
        return walk.evaluator.convert(step, key, argument.type, value, key)
    seen = step.within(step.scope._replace(names={**walk.spec.names, **before}))
    value = walk.evaluator.evaluate(seen, argument.default, "args", key, of=block)
    return walk.evaluator.convert(step, key, argument.type, value, "args", key, of=block)
