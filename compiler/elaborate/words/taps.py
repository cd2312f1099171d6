"""Values that are named, and taken up by their name."""

from __future__ import annotations

from archspec.spec.expressions import Template
from archspec.spec.nodes.taps import From, Output, Tap
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.reporter import SkipNode
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk


@elaborates(Tap)
def tap(walk: Walk, node: Tap, step: Step) -> MaybeNode:
    """Name the value that goes by."""
    label = walk.evaluator.fill_label(step, node.label)
    step.scope.taps[label] = step.value
    walk.taps.keep(label, step.scope)
    return step.value


@elaborates(From)
def take_from(walk: Walk, node: From, step: Step) -> MaybeNode:
    """Take the value that a tap has named."""
    return find_value(walk, step, node.label, "label")


def find_value(walk: Walk, step: Step, reference: Template, field: str) -> MaybeNode:
    """Find the value that a field of the node names: a tap, an input, or what a call gives."""
    label = walk.evaluator.fill_label(step, reference, field)
    if label not in step.scope.taps:
        if walk.incomplete:
            raise SkipNode
        unnamed = _explain_unnamed(walk, label)
        message = f"unknown tap '{label}'{unnamed or walk.taps.explain_missing(label, step.scope)}"
        walk.reporter.fail("unknown-tap", message, step.place(field), step.calls)
    return step.scope.taps[label]


def _explain_unnamed(walk: Walk, label: str) -> str:
    """Explain that values of a call are read by its name, where somebody read them by the block's."""
    block, _, value = label.partition(".")
    if block not in walk.spec.blocks or value not in walk.spec.blocks[block].gives:
        return ""
    return f"; a call gives values by its name: with `{block}: {{name: one}}` it is `one.{value}`"


@elaborates(Output)
def output(walk: Walk, node: Output, step: Step) -> MaybeNode:
    """Name a result of the network."""
    label = walk.evaluator.fill_label(step, node.label)
    if step.scope.windows:
        message = f"output '{label}' stands in windows, where the map is padded and rolled; put it behind them"
        walk.reporter.fail("bad-value", message, step.place(), step.calls)
    if label in walk.output_names or label in walk.spec.inputs:
        other = "output" if label in walk.output_names else "input"
        message = f"there is an {other} called '{label}' already"
        walk.reporter.fail("duplicate-output", message, step.place("label"), step.calls)
    walk.output_names.add(label)
    if step.value is not None:
        walk.outputs[label] = step.value.id
    return step.value
