"""The memory that a network takes: its values at inference, tensor by tensor, and everything that training holds.

The numbers are exact for the values themselves. What is not counted is said in `CONVENTION`: libraries take workspace,
and allocators round.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add
from typing import Any

from archspec.bounds import MAX_WHOLE
from archspec.errors import InputError
from archspec.ops.values import Layout
from archspec.precision import BYTES, FloatPrecision
from compiler.analysis.certainty import Mark, estimate
from compiler.analysis.memory.saved import FULL, count_saved, find_layouts, find_storages
from compiler.graph import INTEGERS, Graph, Node

OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""The numbers that an optimizer keeps for each trainable parameter."""
COUNTING = ("adam",)
"""The optimizers that count the steps, with a number of four bytes for each tensor."""
CONVENTION = (
    "inference: a value lives from its operation to its last reader, inputs from the start, outputs to the end; views"
    " share their storage; sums and products of several are taken two by two; operations are neither fused nor done in"
    " place; no workspace; a file's numbers by their own types. Training, in fp32 or mixed precision: what torch's"
    " autograd keeps between forward and backward on a CPU, each storage once, with fp16 and bf16 as autocast casts;"
    " parameters, gradients and the optimizer's state take four bytes"
)
OF_TRAINING = ("training_saved_bytes", "training_total_bytes")
UNSETTLED = estimate("for some layers it is not certain which kernel torch takes, and so what it copies and holds")
SURMISED = estimate(
    "what training keeps is not held against torch for foreign operations, recurrent layers, and averages over volumes "
    "below the kernel"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment at which one operation runs: the bytes of all values that live, its result among them."""

    node: str
    bytes: int


@dataclass(frozen=True)
class Inference:
    """The values at inference, in the graph's order."""

    timeline: tuple[Moment, ...]
    peak: Moment
    at_peak: Mapping[str, int]
    """The bytes of each value that lives at the peak, by the node that made it."""
    weights: int
    """The bytes of all stored tensors; they lie beside the values."""


@dataclass(frozen=True)
class Training:
    """The bytes that training holds when the forward pass has ended."""

    parameters: int
    gradients: int
    optimizer: int
    buffers: int
    saved: int
    by_node: Mapping[str, int]
    """The bytes that are saved, by the node that made them or, for tensors of its own, keeps them."""

    @property
    def total(self) -> int:
        return self.parameters + self.gradients + self.optimizer + self.buffers + self.saved


@dataclass(frozen=True)
class Memory:
    """The memory of a network, in bytes."""

    batch: int
    precision: str
    optimizer: str
    inference: Inference
    training: Training
    marks: Mapping[str, Mark] = field(default_factory=dict)
    convention: str = field(default=CONVENTION, repr=False)

    def to_dict(self) -> dict[str, Any]:
        inference, training = self.inference, self.training
        return {
            "batch": self.batch,
            "precision": self.precision,
            "optimizer": self.optimizer,
            "inference_peak_bytes": inference.peak.bytes,
            "inference_peak_node": inference.peak.node,
            "inference_weights_bytes": inference.weights,
            "training_saved_bytes": training.saved,
            "training_parameters_bytes": training.parameters,
            "training_gradients_bytes": training.gradients,
            "training_optimizer_bytes": training.optimizer,
            "training_buffers_bytes": training.buffers,
            "training_total_bytes": training.total,
            "live_at_peak": [{"node": id, "bytes": size} for id, size in inference.at_peak.items()],
            "timeline": [{"node": moment.node, "bytes": moment.bytes} for moment in inference.timeline],
            "convention": self.convention,
        }


def measure_memory(
    graph: Graph, *, batch: int = 1, precision: FloatPrecision | None = None, optimizer: str = "momentum"
) -> Memory:
    """Measure the memory that a batch takes at inference and in training.

    `precision` is that of the values: fp32, or fp16 or bf16, which in training means mixed precision. Where it is None
    inference has the types that a file says, and fp32 where none does; training has fp32. `optimizer` is sgd, momentum
    or adam. Raises InputError for others, and for a batch below one.
    """
    if batch < 1:
        raise InputError(f"a batch has at least one sample, found {batch}")
    layouts = find_layouts(graph, batch)
    training = _train(graph, layouts, batch, precision, optimizer)
    inference = _sweep(graph, layouts, batch, precision)
    return Memory(batch, precision or _name_types(graph), optimizer, inference, training, _mark(graph, layouts))


def largest_batch(
    graph: Graph, budget: int, *, precision: FloatPrecision | None = None, optimizer: str = "momentum"
) -> int:
    """Find the largest batch whose training holds at most `budget` bytes; 0 where none does.

    >>> graph = archspec.elaborate(archspec.load("residual_mlp", params={"blocks": 1, "width": 8}))
    >>> archspec.largest_batch(graph, 1 << 20)
    2236
    """

    def fits(batch: int) -> bool:
        return _train(graph, find_layouts(graph, batch), batch, precision, optimizer).total <= budget

    if not fits(1):
        return 0
    high = 2
    while high <= MAX_WHOLE and fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _require(word: str, what: str, known: Collection[str]) -> None:
    if word not in known:
        raise InputError(f"{what} should be one of {', '.join(known)}, found '{word}'")


def _mark(graph: Graph, layouts: Mapping[str, Layout]) -> dict[str, Mark]:
    """Mark what is not exact. What unknown operations leave out is said of the whole report."""
    asked = {(id(node.op), layouts[node.inputs[0]], graph.operands(node)): node.op for node in graph if node.inputs}
    marks: dict[str, Mark] = {}
    if not all(op.is_layout_known(layout, shapes[0]) for (_, layout, shapes), op in asked.items()):
        marks |= dict.fromkeys(("inference_peak_bytes", *OF_TRAINING), UNSETTLED)
    if not all(op.is_measured(*shapes) for (_, _, shapes), op in asked.items()):
        marks |= dict.fromkeys(OF_TRAINING, SURMISED)
    return marks


def _name_types(graph: Graph) -> str:
    """Name the types of numbers where no precision is asked for: fp32, or the types in a file, in numpy's words."""
    types = dict.fromkeys(node.type for node in graph if node.type and not node.holds_integers)
    return ", ".join(types) if types.keys() - {"float32"} else "fp32"


def _count_bytes(count: int, type: str | None, precision: FloatPrecision | None) -> int:
    """Count the bytes of so many numbers: whole ones by their own type, others by the precision that is asked for, and
    where none is by their type."""
    if (precision and type != INTEGERS) or not type:
        return count * BYTES[precision or "fp32"]
    bits = re.search(r"\d+", "8" if type == "bool" else type)
    return -(-count * int(bits[0] if bits else 8 * FULL) // 8)


# Inference


def _sweep(graph: Graph, layouts: Mapping[str, Layout], batch: int, precision: FloatPrecision | None) -> Inference:
    """Follow every value from its operation to its last reader."""
    roots = find_storages(graph, layouts, training=False)
    dying = _group_by_end(graph, roots)
    sizes = {node.id: _count_bytes(batch * node.shape.elements, node.type, precision) for node in graph}
    live = {id: sizes[id] for id in graph.inputs}
    total, timeline, peak, at_peak = sum(live.values()), [], Moment("", -1), live
    for node in graph:
        if node.id not in live and roots[node.id] == node.id:
            live[node.id] = sizes[node.id]
            total += live[node.id]
        during: Mapping[str, int] = live
        bytes = total
        if partials := node.op.partials(*graph.operands(node)):
            during = _list_fullest_step(node, partials, live, roots, dying.get(node.id, ()))
            bytes = sum(during.values())
        timeline.append(Moment(node.id, bytes))
        if bytes > peak.bytes:
            peak, at_peak = timeline[-1], dict(during)
        total -= sum(live.pop(id) for id in dying.get(node.id, ()))
    weights = sum(_count_bytes(weight.numel, weight.type, precision) for weight in graph.weights.values())
    return Inference(tuple(timeline), peak, at_peak, weights)


def _list_fullest_step(
    node: Node, partials: Sequence[int], live: Mapping[str, int], roots: Mapping[str, str], ends: Collection[str]
) -> Mapping[str, int]:
    """List what lives in the fullest of the steps in which a sum or product of several is computed: each takes one
    operand more, and after it goes what is not read again. What the node has made by then stands under its own name. Of
    a single operand all steps are made in one module, which holds it to the end."""
    width = live[node.id] / node.shape.elements
    made = [*(int(width * elements) for elements in partials), live[node.id]]
    last = {roots[operand]: step for step, operand in enumerate(node.inputs)}
    gone = {id: max(1, last.get(id, 1)) for id in ends} if len(node.inputs) > 1 else {}
    leaving = Counter[int]()
    for id in gone.keys() & live.keys() - {node.id}:
        leaving[gone[id]] += live[id]
    others, fullest, most = sum(live.values()) - live[node.id], 0, 0
    for step, bytes in enumerate(map(add, [0, *made], made)):
        others -= leaving[step]
        if others + bytes > most:
            fullest, most = step, others + bytes
    kept = {id: size for id, size in live.items() if gone.get(id, len(made)) > fullest}
    return {**kept, node.id: sum(made[max(0, fullest - 1) : fullest + 1])}


def _group_by_end(graph: Graph, roots: Mapping[str, str]) -> dict[str, list[str]]:
    """Group, for each node, the storages that nobody reads after it. Those of the outputs have no end."""
    ends = {}
    for node in graph:
        ends[roots[node.id]] = node.id
        for operand in node.inputs:
            ends[roots[operand]] = node.id
    kept = {roots[id] for id in graph.outputs.values()}
    groups: dict[str, list[str]] = {}
    for storage, end in ends.items():
        if storage not in kept:
            groups.setdefault(end, []).append(storage)
    return groups


# Training


def _train(
    graph: Graph, layouts: Mapping[str, Layout], batch: int, precision: FloatPrecision | None, optimizer: str
) -> Training:
    _require(precision or "fp32", "precision", BYTES)
    _require(optimizer, "optimizer", OPTIMIZERS)
    learned = [weight.numel for weight in graph.weights.values() if weight.trainable]
    buffers = sum(weight.numel for weight in graph.weights.values() if weight.buffer)
    stored = sum(weight.numel for weight in graph.weights.values()) - buffers
    by_node = count_saved(graph, layouts, batch, BYTES[precision or "fp32"])
    return Training(
        parameters=FULL * stored,
        gradients=FULL * sum(learned),
        optimizer=FULL * (sum(learned) * OPTIMIZERS[optimizer] + len(learned) * (optimizer in COUNTING)),
        buffers=FULL * buffers,
        saved=sum(by_node.values()),
        by_node=by_node,
    )
