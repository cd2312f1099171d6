"""The check whether two runs of a model differ by nothing but which of several equal scores they take.

TopK and NonMaxSuppression order by scores; ArgMax, ArgMin and a MaxPool that gives places take the best. Where two are
equal but for rounding, either may come first, and all that is gathered by them changes places. So the values before
each such node are compared, and what it takes: these have to be the same scores. All that follows is then computed from
one and the same choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from archspec.arrays import Array, Arrays
from archspec.errors import ArchspecError
from archspec.extras import extra
from runtime.verification.model.inside import ModelInside
from runtime.verification.witness.comparator import Comparator

with extra("run"):
    import onnx

    from compiler.onnx_file.nodes import describe_node, read_attribute


MAX_CHOICES = 32
"""The largest number of nodes that choose, of which each takes a run."""


def compare_choices(inside: ModelInside, feed: Arrays, found: Arrays, comparator: Comparator) -> str:
    """Say how near ONNX Runtime without its optimizations is where it takes what the file takes of equal scores.

    Raises ArchspecError where the file does not choose, or the runs differ in more than that.
    """
    choosers = [node for node in inside.model.graph.node if _chooses(node)]
    if not 0 < len(choosers) <= MAX_CHOICES:
        raise ArchspecError(f"{inside.path} does not choose by scores, or too often")
    results = [name for node in choosers for name in node.output if name]
    mine = inside.read([*results, *inside.outputs], feed)
    comparator.compare(found, ("itself", {name: mine[name] for name in inside.outputs}))
    given: dict[str, Array] = {}
    changed: str | None = None
    for node in choosers:
        known = inside.find_known(node.input[:2], feed)
        operands = [name for name in node.input[:2] if name not in known]
        names = [name for name in node.output if name]
        theirs = inside.read([*names, *operands], feed, optimized=False, given=given)
        scores = [SCORES[node.op_type](node, theirs | known, taken) for taken in (mine, theirs)]
        comparator.compare({describe_node(node): scores[0]}, ("the witness", {describe_node(node): scores[1]}))
        if changed is None and any(not np.array_equal(mine[name], theirs[name]) for name in names):
            changed = describe_node(node)
        given |= {name: mine[name] for name in names}
    if changed is None:
        raise ArchspecError(f"{inside.path}: both take the same of equal scores")
    outputs = [name for name in inside.outputs if name not in given]
    theirs = inside.read(outputs, feed, optimized=False, given=given) if outputs else {}
    said = comparator.compare({name: mine[name] for name in outputs}, ("it", theirs))
    return f"rows change places among equal scores of {changed}, {said} when it takes the same"


def _take_top(node: onnx.NodeProto, read: Arrays, taken: Arrays) -> Array:
    """The witness's scores at the places that a TopK took."""
    found: Array = np.take_along_axis(read[node.input[0]], taken[node.output[1]], read_attribute(node, "axis", -1))
    return found


def _take_boxes(node: onnx.NodeProto, read: Arrays, taken: Arrays) -> Array:
    """The witness's scores of the boxes that a NonMaxSuppression kept: batch, class and box in a row."""
    batch, group, box = taken[node.output[0]].T
    found: Array = read[node.input[1]][batch, group, box]
    return found


def _take_best(node: onnx.NodeProto, read: Arrays, taken: Arrays) -> Array:
    """The witness's scores at the places that an ArgMax or ArgMin took."""
    axis, places = read_attribute(node, "axis", 0), taken[node.output[0]]
    if not read_attribute(node, "keepdims", 1):
        places = np.expand_dims(places, axis)
    found: Array = np.take_along_axis(read[node.input[0]], places, axis)
    return found


def _take_pooled(node: onnx.NodeProto, read: Arrays, taken: Arrays) -> Array:
    """The witness's numbers at the places that a MaxPool took, which are counted over the whole array."""
    values = read[node.input[0]]
    if read_attribute(node, "storage_order", 0):  # by columns
        values = values.swapaxes(-1, -2)
    found: Array = values.ravel()[taken[node.output[1]]]
    return found


SCORES: Mapping[str, Callable[[onnx.NodeProto, Arrays, Arrays], Array]] = {
    "TopK": _take_top,
    "NonMaxSuppression": _take_boxes,
    "ArgMax": _take_best,
    "ArgMin": _take_best,
    "MaxPool": _take_pooled,
}
"""The operations that choose by scores, and how these are found again."""


def _chooses(node: onnx.NodeProto) -> bool:
    """Tell whether a node says what it took."""
    return node.op_type in SCORES and (node.op_type != "MaxPool" or any(node.output[1:]))
