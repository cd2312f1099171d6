"""Attention of bodies of one value, and the windows around it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

from archspec.ops import Attention, Op, Shape
from archspec.ops.partition import EnterWindows, LeaveWindows
from archspec.spec.nodes.attention import Attending, Windowing
from compiler.elaborate.bodies import elaborates, run_body
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.graph import Node


@elaborates(Attending)
def attend(walk: Walk, node: Attending, step: Step) -> MaybeNode:
    """Send one value through the bodies of query, key and value, and attend (Vaswani et al., 2017)."""
    inside = step.enter()
    bodies = {"query": node.query, "key": node.key, "value": node.value}
    values = [run_body(walk, body, step.value, inside.enter(word)) for word, body in bodies.items()]
    fields = walk.evaluator.collect(step, node.settings)
    op = walk.evaluator.build_op(step, Attention, {**fields, **step.scope.windows})
    return walk.builder.apply(step, op, values, inside.join(op.kind))


@elaborates(Windowing)
def windows(walk: Walk, node: Windowing, step: Step) -> MaybeNode:
    """Send a value through a body that is cut into windows: padded to whole ones and rolled, and back again (Liu et
    al., 2021)."""
    if step.scope.windows:
        walk.reporter.fail(
            "bad-value",
            "windows stand in windows; give both one size, or put one behind the other",
            step.place(),
            step.calls,
        )
    enter = walk.evaluator.build_op(step, EnterWindows, walk.evaluator.collect(step, EnterWindows.model_fields))
    assert isinstance(enter, EnterWindows)
    grid = walk.evaluator.evaluate(step, walk.evaluator.setting(step, "grid"), "grid")
    inside = step.enter()
    value = walk.builder.apply(step, enter, [step.value], inside.join("enter"))
    seen = {"window": enter.size, "shift": enter.shift, "grid": grid}
    scope = inside.enter("body")._replace(windows=seen, taps=dict(step.scope.taps))
    result = run_body(walk, node.body, value, scope)
    if value is not None:
        made = takewhile(lambda node: node is not value, reversed(walk.builder.nodes.values()))
        _check_body(walk, step, [*made][::-1], value)
    leave = LeaveWindows(size=enter.size, shift=enter.shift)
    return walk.builder.apply(step, leave, [result, step.value], inside.join("leave"))


def _check_body(walk: Walk, step: Step, nodes: list[Node], value: Node) -> None:
    """Check that what is computed in the windows is of them alone, and but for attention at each position alone."""
    own = {value.id}
    for node in nodes:
        other = next((id for id in node.inputs if id not in own), None)
        own.add(node.id)
        if other is not None:
            message = f"{node.id} reads {other}, which lies outside the windows around it"
            walk.reporter.fail("bad-value", f"{message}: take it in before them", node.source.place, node.source.calls)
        shapes = [walk.builder.nodes[id].shape for id in node.inputs]
        in_windows = isinstance(node.op, Attention) and node.op.window is not None
        if not in_windows and not node.op.acts_alone(*shapes):
            message = f"{node.op.word} in windows looks beyond its own position"
            remedy = "windows take attention, 1×1 convolutions, norms over channels, and what acts at each position"
            walk.reporter.fail("bad-value", f"{message}; {remedy}", node.source.place, node.source.calls)
        if _has_weights_by_position(node.op, shapes):
            message = f"{node.op.word} in windows has weights for each position of the map, and no window has one of it"
            remedy = "put it before or behind them, or give it one weight for each channel"
            walk.reporter.fail("bad-value", f"{message}; {remedy}", node.source.place, node.source.calls)


def _has_weights_by_position(op: Op, xs: Sequence[Shape]) -> bool:
    """Tell whether the shape of some weight follows the extents of space."""
    larger = [Shape(x.channels, *(2 * extent for extent in x.space)) for x in xs]
    own, other = (op.weights(*shapes) for shapes in (xs, larger))
    return any(other[name].shape != weight.shape for name, weight in own.items())
