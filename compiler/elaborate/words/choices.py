"""The words that choose one operation for a whole network: its normalization, and its activation."""

from __future__ import annotations

from archspec.spec.choices import ChoiceNode
from archspec.spec.layers import overlay
from archspec.spec.suggestions import suggest_field
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(ChoiceNode)
def choice(walk: Walk, node: ChoiceNode, step: Step) -> MaybeNode:
    """Put in the network's normalization or activation: of the kind that `defaults` choose, or that is given here, or
    none."""
    fields = overlay(walk.evaluator.settings(node.word, step.scope), node.given)
    kind = fields.pop("kind", node.usual)
    for key in [key for key in fields if key not in node.fields_of(kind)]:
        message = f"{node.word} of kind {kind} has no field '{key}'{suggest_field(key, node.fields_of(kind))}"
        walk.reporter.fail("unknown-field", message, step.place(key, key=True), step.calls)
    op = node.ops.get(kind)
    if op is not None:
        return walk.builder.apply_layer(step, walk.evaluator.build_op(step, op, fields))
    if kind == "weight" and walk.spec.defaults.get("norm", {}).get("kind") != "weight":
        message = "weight normalization is of a whole network: choose it in the spec's `defaults`"
        walk.reporter.fail("bad-value", message, step.place("kind"), step.calls)
    return step.value
