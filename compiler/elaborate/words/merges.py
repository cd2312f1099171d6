"""Several bodies of one value, and the merge of their results."""

from __future__ import annotations

from dataclasses import replace

from archspec.spec.nodes import Branching
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.builder import MERGES
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Branching)
def branches(walk: Walk, node: Branching, step: Step) -> MaybeNode:
    """Send one value through several branches, and merge their results."""
    inside = step.enter()
    if node.branches is not None:
        bodies = [(inside.enter(f"branch{i}"), branch) for i, branch in enumerate(node.branches)]
    else:
        bodies = [(turn, node.body or ()) for turn in walk.list_turns(step, node)]
        if not bodies:
            message = f"{node.word} needs at least one branch, found none"
            walk.reporter.fail("bad-value", message, step.place(), step.calls)
    if node.word in (
        "mul",
        "div",
    ):  # factors of a value are gates, which FixUp leaves alone: at zero they would be open
        bodies[1:] = [(replace(turn, fixup=None), branch) for turn, branch in bodies[1:]]
    values = [run_body(walk, branch, step.value, turn) for turn, branch in bodies]
    merge = MERGES[node.word]
    op = merge(**{key: walk.evaluator.setting(step, key) for key in merge.model_fields if key in node.settings})
    return walk.builder.merge(step, op, values, walk.evaluator.setting(step, "fit"), inside)
