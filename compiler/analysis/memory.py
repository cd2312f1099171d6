"""How much memory a network takes: its values at inference, tensor by tensor, and everything that training holds.

Exact for the values themselves. What is not counted is said in `CONVENTION`: libraries take workspace, and allocators
round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archspec.errors import ArchspecError
from archspec.ops import Input, Saved
from compiler.graph import Graph, Node

PRECISIONS = {"fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes of a value."""
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2}
"""Numbers that an optimizer keeps for each trainable parameter."""
FULL = 4
"""Bytes of a number that mixed precision does not shorten."""
INDEX = 8
"""Bytes of an index, as torch keeps it."""
CONVENTION = (
    "inference: a value lives from its operation to its last reader, inputs from the start, outputs to the end; views"
    " share their storage; operations are neither fused nor done in place; no workspace. Training: what autograd keeps"
    " between forward and backward, each storage once; with fp16 and bf16 values and copies of the kernels take two"
    " bytes, parameters, gradients, the optimizer's state and statistics four"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """While one operation runs: the bytes of all values that live, its result among them."""

    node: str
    bytes: int


@dataclass(frozen=True)
class Inference:
    """Values at inference, in the graph's order."""

    timeline: tuple[Moment, ...]
    peak: Moment
    at_peak: Mapping[str, int]
    """The bytes of each value that lives at the peak, by the node that made it."""
    weights: int
    """Bytes of all stored tensors, at the same precision; they lie beside the values."""


@dataclass(frozen=True)
class Training:
    """Bytes that training holds when the forward pass has ended."""

    parameters: int
    gradients: int
    optimizer: int
    buffers: int
    saved: int
    by_node: Mapping[str, int]
    """What is saved, by the node that made it or, for tensors of its own, keeps it."""

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


def measure_memory(graph: Graph, *, batch: int = 1, precision: str = "fp32", optimizer: str = "momentum") -> Memory:
    """The memory that a batch takes at inference and in training.

    `precision` is that of the values: fp32, or fp16 or bf16, which in training means mixed precision. `optimizer` is
    sgd, momentum or adam. Raises ArchspecError for others, and for a batch below one.
    """
    _require(precision, "precision", PRECISIONS)
    _require(optimizer, "optimizer", OPTIMIZERS)
    if batch < 1:
        raise ArchspecError(f"a batch has at least one sample, found {batch}")
    inference = _sweep(graph, batch * PRECISIONS[precision], PRECISIONS[precision])
    return Memory(batch, precision, optimizer, inference, _train(graph, batch, precision, optimizer))


def largest_batch(graph: Graph, budget: int, *, precision: str = "fp32", optimizer: str = "momentum") -> int:
    """The largest batch whose training holds at most `budget` bytes; 0 where none does."""

    def fits(batch: int) -> bool:
        return measure_memory(graph, batch=batch, precision=precision, optimizer=optimizer).training.total <= budget

    if not fits(1):
        return 0
    high = 2
    while high < 1 << 31 and fits(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def find_storages(graph: Graph, *, training: bool) -> dict[str, str]:
    """For each node, the node in whose storage its result lies: itself, unless it is a view."""
    roots: dict[str, str] = {}
    for node in graph:
        view = not isinstance(node.op, Input) and node.op.shares(*graph.operands(node), training=training)
        roots[node.id] = roots[node.inputs[0]] if view else node.id
    return roots


def _require(word: str, what: str, known: Mapping[str, int]) -> None:
    if word not in known:
        raise ArchspecError(f"{what} should be one of {', '.join(known)}, found '{word}'")


# Inference


def _sweep(graph: Graph, scale: int, width: int) -> Inference:
    """Follow every value from its operation to its last reader; a value of one element takes `scale` bytes."""
    roots = find_storages(graph, training=False)
    dying = _group_by_end(graph, roots)
    live = {id: scale * node.shape.elements for id, node in graph.inputs.items()}
    total, timeline, peak, at_peak = sum(live.values()), [], Moment("", -1), live
    for node in graph:
        if node.id not in live and roots[node.id] == node.id:
            live[node.id] = scale * node.shape.elements
            total += live[node.id]
        timeline.append(Moment(node.id, total))
        if total > peak.bytes:
            peak, at_peak = timeline[-1], dict(live)
        total -= sum(live.pop(id) for id in dying.get(node.id, ()))
    weights = width * sum(weight.numel for weight in graph.weights.values())
    return Inference(tuple(timeline), peak, at_peak, weights)


def _group_by_end(graph: Graph, roots: Mapping[str, str]) -> dict[str, list[str]]:
    """For each node, the storages that nobody reads after it. Those of the outputs have no end."""
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


def _train(graph: Graph, batch: int, precision: str, optimizer: str) -> Training:
    trainable = sum(weight.numel for weight in graph.weights.values() if weight.trainable)
    buffers = sum(weight.numel for weight in graph.weights.values() if weight.buffer)
    stored = sum(weight.numel for weight in graph.weights.values()) - buffers
    by_node = _count_saved(graph, batch, precision)
    return Training(
        parameters=FULL * stored,
        gradients=FULL * trainable,
        optimizer=FULL * trainable * OPTIMIZERS[optimizer],
        buffers=FULL * buffers,
        saved=sum(by_node.values()),
        by_node=by_node,
    )


def _count_saved(graph: Graph, batch: int, precision: str) -> dict[str, int]:
    """The bytes that each node leaves to the backward pass: its value if anybody keeps it, and what itself keeps."""
    width, roots = PRECISIONS[precision], find_storages(graph, training=True)
    saved: dict[str, int] = {}
    held: set[str] = set()
    for node, kept in _ask_saved(graph, batch):
        held |= {roots[node.inputs[position]] for position in kept.operands}
        held |= {roots[node.id]} if kept.result else set()
        copies = width * kept.kernels if width < FULL else 0
        own = width * kept.values + FULL * kept.full + INDEX * kept.indices + copies
        saved |= {node.id: own} if own else {}
    for id in held:
        saved[id] = saved.get(id, 0) + width * batch * graph[id].shape.elements
    return {node.id: saved[node.id] for node in graph if node.id in saved}


def _ask_saved(graph: Graph, batch: int) -> Iterator[tuple[Node, Saved]]:
    """What each operation keeps; those that no gradient passes through keep nothing."""
    wants: dict[str, bool] = {}
    for node in graph:
        shapes = graph.operands(node)
        needs = tuple(wants[operand] for operand in node.carriers)
        learns = any(weight.trainable for weight in node.op.weights(*shapes).values())
        wants[node.id] = node.op.differentiable and (learns or any(needs))
        if wants[node.id]:
            yield node, node.op.saved(*shapes, batch=batch, needs=needs)
