"""A body with a shortcut beside it."""

from __future__ import annotations

from math import sqrt

from archspec.ops import Add, Scale
from archspec.spec.nodes.residual import Residual
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Residual)
def residual(walk: Walk, node: Residual, step: Step) -> MaybeNode:
    """Send a value through a body, and beside it a shortcut to which its result is added (He et al., 2016)."""
    walk.residuals.met += 1
    ordinal, apply, inside = walk.residuals.met, walk.builder.apply, step.enter()
    scaling = walk.evaluator.setting(step, "scaling")
    fixup: list[str] | None = [] if scaling == "fixup" else None
    result = run_body(walk, node.body, step.value, inside.enter("body")._replace(fixup=fixup))
    result = walk.residuals.scale(step, result, scaling, fixup or [], inside)
    scale = walk.evaluator.setting(step, "scale")
    if scale is not None:
        op = walk.evaluator.build_op(step, Scale, {"value": scale}, renamed={"value": "scale"})
        result = apply(step, op, [result], inside.join("scale"))
    result = walk.residuals.drop(step, result, ordinal, inside)
    total = apply(step, Add(), [_find_shortcut(walk, node, step, result), result], inside.join("add"), inside.path)
    if scaling == "sqrt_half":
        total = apply(step, Scale(value=sqrt(1 / 2)), [total], inside.join("sqrt_half"))
    return total


def _find_shortcut(walk: Walk, node: Residual, step: Step, result: MaybeNode) -> MaybeNode:
    """Find what a residual adds to the result of its body: its input, or what `shortcut` or `project` make of that."""
    if step.value is None or result is None:
        return None
    shortcut, kind = step.value, "its input"
    for word, body in (("shortcut", node.shortcut), ("project", node.project)):
        if body is not None and (word == "shortcut" or not walk.are_one_shape(step.value, result)):
            kind = "its shortcut" if word == "shortcut" else "its projection"
            scope = step.enter().enter(word, out_channels=result.shape.channels)
            projected = run_body(walk, body, step.value, scope)
            if projected is None:
                return None
            shortcut = projected
    if shortcut.shape != result.shape:
        remedy = "; give `project` or `shortcut`" if kind == "its input" else ""
        message = f"residual adds its body, {result.shape}, to {kind}, {shortcut.shape}{remedy}"
        walk.reporter.fail("shape-mismatch", message, step.place(), step.calls)
    return shortcut
