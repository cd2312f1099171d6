"""The parts of a value, each with a name."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any, NoReturn

from archspec.ops import OpError, Slice
from archspec.ops.axes import find_axis, name_places
from archspec.spec.nodes.split import SplitNode
from compiler.elaborate.bodies import elaborates
from compiler.elaborate.evaluator import is_whole, tell
from compiler.elaborate.reporter import NODE
from compiler.elaborate.scope import MaybeNode, Step
from compiler.elaborate.walk import Walk
from compiler.graph import Node


@elaborates(SplitNode)
def split(walk: Walk, node: SplitNode, step: Step) -> MaybeNode:
    """Slice a value into parts, and name each."""
    labels = [walk.evaluator.fill_label(step, label, "taps") for label in node.taps]
    if len({*labels}) < len(labels):
        _fail(walk, step, "taps", f"the parts of a split have names of their own, found {tell(labels)}")
    walk.reporter.spend(len(labels) * NODE, node, step.calls, "taps")
    given = walk.evaluator.evaluate(step, node.sizes, "sizes")
    parts: list[MaybeNode] = [None] * len(labels)
    if step.value is not None:
        axis = _find_axis(walk, node, step, step.value)
        sizes = _find_sizes(walk, step, len(labels), given, step.value.shape[axis], name_places(axis, step.value.shape))
        inside = step.enter()
        ends = pairwise(accumulate(sizes, initial=0))
        for place, (label, (start, stop)) in enumerate(zip(labels, ends, strict=True)):
            op = walk.evaluator.build_op(step, Slice, {"axis": axis, "start": start, "stop": stop})
            parts[place] = walk.builder.apply(step, op, [step.value], inside.join(label))
    for label, part in zip(labels, parts, strict=True):
        step.scope.taps[label] = part
        walk.taps.keep(label, step.scope)
    return step.value


def _find_axis(walk: Walk, node: SplitNode, step: Step, value: Node) -> int:
    """The axis, whose extent must be the same at every size."""
    axis = walk.evaluator.evaluate_whole(step, node.axis, "axis")
    try:
        found = find_axis(axis, value.shape, "split")
    except OpError as error:
        _fail(walk, step, "axis", str(error), "shape-mismatch")
    if not walk.is_fixed(value, found):
        remedy = "take parts by `slice`, whose ends count from either side"
        _fail(walk, step, "axis", f"split needs a fixed extent along axis {found}, and it follows a size; {remedy}")
    return found


def _find_sizes(walk: Walk, step: Step, count: int, sizes: Any, extent: int, whole: str) -> list[int]:
    if sizes is None:
        if extent % count:
            message = f"{count} equal parts do not make {whole}; give `sizes`"
            _fail(walk, step, "taps", message, "shape-mismatch")
        return [extent // count] * count
    if not isinstance(sizes, list) or not all(is_whole(size) and size > 0 for size in sizes):
        _fail(walk, step, "sizes", f"`sizes` should be whole numbers from 1, found {tell(sizes)}")
    if len(sizes) != count or sum(sizes) != extent:
        message = f"split has {count} parts of {whole}, and `sizes` are {tell(sizes)}, {sum(sizes)} in all"
        _fail(walk, step, "sizes", message, "shape-mismatch")
    return [int(size) for size in sizes]


def _fail(walk: Walk, step: Step, field: str, message: str, code: str = "bad-value") -> NoReturn:
    walk.reporter.fail(code, message, step.place(field), step.calls)
