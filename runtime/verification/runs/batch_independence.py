"""The check whether a model gives the same answer to a sample, whatever else is in its batch."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from archspec.arrays import Array, Arrays
from archspec.errors import ArchspecError
from archspec.extras import extra
from runtime.session.session import Session
from runtime.verification.checks import Check
from runtime.verification.model.declared_shapes import DeclaredShapes
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import VerifyOptions
from runtime.verification.proof.cases import MAX_PROOF_MACS, choose_small
from runtime.verification.runs.feeds import Feeds
from runtime.verification.witness.comparator import Comparator
from runtime.verification.witness.witness import Witness

with extra("run"):
    from compiler.onnx_file.nodes import describe_node, list_nodes

SAMPLES = 3
"""The samples of a batch: one at each end, and one that has neighbours on both sides."""

BATCH = re.compile("batch", re.IGNORECASE)
"""The name of an axis of samples without a doubt; any other first axis may be a time, channels, or (N) points."""


@dataclass(frozen=True, slots=True)
class BatchAxis:
    """The first axis, where inputs and outputs declare it alike: what it is called (None: nothing), or how long."""

    extent: str | int | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def find_batch(declared: DeclaredShapes) -> BatchAxis | str:
    """The axis of the samples; or why there is none to look at, in words."""
    firsts = {name: extents[0] for name, extents in declared.inputs.items() if extents}
    free = [name for name, first in firsts.items() if not isinstance(first, int)]
    said = {name: firsts[name] for name in free or firsts if firsts[name] != 1}
    if not said:
        return "the file takes one sample at a time" if firsts else "no input has an axis for samples"
    if len(set(said.values())) > 1:
        names = ", ".join(f"{first} of {name}" for name, first in said.items())
        return f"which axis is the batch is not said: first axes are {names}"
    extent = next(iter(said.values()))
    everywhere = (*declared.inputs.items(), *declared.outputs.items())
    again = next((name for name, extents in everywhere if extent in (extents or ())[1:]), None)
    if isinstance(extent, str) and again:
        return f"the first axis of the inputs, {extent}, is another axis of '{again}' too"
    outputs = [name for name, extents in declared.outputs.items() if extents and extents[0] == extent]
    if not outputs:
        return f"no output declares the first axis of the inputs, {extent or 'which has no name'}"
    return BatchAxis(extent, tuple(said), tuple(outputs))


def check_batch(
    feeds: Feeds,
    witness: Witness,
    declared: DeclaredShapes,
    comparator: Comparator,
    options: VerifyOptions,
    reach: str | None,
) -> Check:
    """Check several different samples in one batch, and each alone; of a file with a fixed batch, one in two batches.
    `reach` is that of the inputs."""
    session, axis = feeds.session, find_batch(declared)
    if isinstance(axis, str):
        return Check("batch", "noted", f"not looked at: {axis}")
    sizes = options.sizes or choose_small(session.sizes)[0][1]
    feed = feeds.make(SAMPLES, sizes, reach=reach)
    if witness.count_macs(feed) > MAX_PROOF_MACS:
        return Check("batch", "noted", "not looked at: it takes too long at these sizes; give smaller ones with --size")
    try:
        if isinstance(axis.extent, int):
            text = _compare_companions(session, axis, feed, feeds.make(SAMPLES, sizes, turn=1, reach=reach), comparator)
        else:
            text = _compare_alone(session, axis, feed, comparator)
    except ArchspecError as error:
        rounding = _find_dynamic(witness.inside)
        if isinstance(axis.extent, str) and BATCH.search(axis.extent) and not rounding:
            return Check("batch", "failed", f"the answers depend on what else is in the batch: {error}")
        if rounding:
            return Check("batch", "noted", f"{rounding} rounds by the largest number of the whole batch: {error}")
        name = axis.extent or "which has no name"
        meant = f"the answers depend on what else is along the first axis, {name}"
        return Check("batch", "noted", f"{meant}: wrong if that is a batch, right if a time or channels; {error}")
    return Check("batch", "passed", text)


def _compare_alone(session: Session, axis: BatchAxis, feed: Arrays, comparator: Comparator) -> str:
    """Raises ArchspecError where a sample has another answer alone."""
    together = session.run(dict(feed))
    found: dict[str, list[Array]] = {name: [] for name in axis.outputs}
    for sample in range(SAMPLES):
        alone = {name: array[sample : sample + 1] if name in axis.inputs else array for name, array in feed.items()}
        for name, answers in session.run(alone).items():
            if name in found:
                found[name].append(answers)
    joined = {name: np.concatenate(answers) for name, answers in found.items()}
    said = comparator.compare(joined, ("the batch", {name: together[name] for name in found}))
    return f"{SAMPLES} samples have the same answers alone: {said}"


def _compare_companions(session: Session, axis: BatchAxis, feed: Arrays, other: Arrays, comparator: Comparator) -> str:
    """Raises ArchspecError where the first sample has another answer beside others."""
    mixed = {
        name: np.concatenate((array[:1], other[name][1:])) if name in axis.inputs else array
        for name, array in feed.items()
    }
    firsts = [{name: session.run(dict(arrays))[name][:1] for name in axis.outputs} for arrays in (feed, mixed)]
    said = comparator.compare(firsts[0], ("the same beside others", firsts[1]))
    return f"the first of {axis.extent} samples has the same answer beside others: {said}"


def _find_dynamic(inside: ModelInside) -> str | None:
    """A node that rounds to integers by what it meets."""
    return next(
        (describe_node(node) for node in list_nodes(inside.model) if node.op_type.startswith("DynamicQuantize")), None
    )
