"""Several bodies of one value, and the merge of their results."""

from __future__ import annotations

from archspec.ops import MERGES, ConcatPositions
from archspec.ops.axes import resolve_axis
from archspec.spec.nodes.merges import Branching
from compiler.elaborate.bodies import elaborates, run_body
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
    if node.word in ("mul", "div"):  # factors of a value are gates, which FixUp leaves alone: at zero they were open
        bodies[1:] = [(turn._replace(fixup=None), branch) for turn, branch in bodies[1:]]
    values = [run_body(walk, branch, step.value, turn) for turn, branch in bodies]
    axis = _find_axis(walk, step, values[0]) if node.word == "concat" else 0
    if axis:
        op = walk.evaluator.build_op(step, ConcatPositions, {"axis": axis})
        return walk.builder.merge(step, op, values, "error", inside)
    merge = MERGES[node.word]
    op = merge(**{key: walk.evaluator.setting(step, key) for key in merge.model_fields if key in node.settings})
    return walk.builder.merge(step, op, values, walk.evaluator.setting(step, "fit"), inside)


def _find_axis(walk: Walk, step: Step, first: MaybeNode) -> int:
    """The axis that a concatenation is along; it fits no extents unless that of the channels."""
    written = walk.evaluator.evaluate_whole(step, walk.evaluator.setting(step, "axis"), "axis")
    axis = resolve_axis(written, first.shape) if first else written
    if axis and walk.evaluator.setting(step, "fit") != "error":
        message = f"`fit` is for branches that are joined by their channels, and this is along axis {axis}"
        walk.reporter.fail("bad-value", message, step.place("fit"), step.calls)
    return axis
