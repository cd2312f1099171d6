"""The signal at initialization, measured: the real first weights in torch, in training mode, on standard normal inputs
and with standard normal gradients at the outputs. Beside it stands what `compiler.analysis.signal.signal` predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from archspec.arrays import Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.ops import Op
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph, Node
from runtime.data.batches import mix_seed

with extra("train"):
    import torch
    from torch import Tensor, nn

    from compiler.torch_target.initialize import initialize
    from compiler.torch_target.module import to_torch
    from compiler.torch_target.rules import TorchRule
    from compiler.torch_target.running import run_nodes

MOMENTS = ("mean", "second_moment", "common", "gradient_second_moment")
REPEATS = 3
MIN_BATCH = 2
"""The fewest samples in a batch: batch normalization needs two."""
MAX_BATCH = 256
"""The most samples in a batch that is chosen here."""
MAX_CHOSEN_BYTES = 1 << 30
"""The most bytes of values (float32) in a batch that is chosen here; the backward pass keeps as much again."""
MAX_BYTES = 1 << 33
"""The most bytes of values (float32) in any batch."""
MAX_MACS = 200_000_000_000
"""The most multiply-accumulates of all forward passes for which a batch is chosen, about ten seconds of a few cores."""


@dataclass(frozen=True, slots=True)
class MeasuredNode:
    """The moments of one node, as `NodeSignal` has them: the mean over all draws, and the standard deviation from draw
    to draw (`spread`). What has left fp32 is not finite."""

    id: str
    mean: float
    second_moment: float
    common: float
    gradient_second_moment: float
    spread: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        numbers = {name: _finite(getattr(self, name)) for name in MOMENTS}
        return {"node": self.id, **numbers, "spread": {name: _finite(self.spread[name]) for name in MOMENTS}}


@dataclass(frozen=True)
class MeasuredSignal:
    """The measured signal of a network, node by node in topological order."""

    nodes: tuple[MeasuredNode, ...]
    batch: int
    repeats: int
    seed: int

    def __getitem__(self, id: str) -> MeasuredNode:
        return self._by_id[id]

    @cached_property
    def _by_id(self) -> dict[str, MeasuredNode]:
        return {node.id: node for node in self.nodes}

    def to_dict(self) -> dict[str, Any]:
        facts = {"batch": self.batch, "repeats": self.repeats, "seed": self.seed}
        return facts | {"nodes": [node.to_dict() for node in self.nodes]}


def measure_signal(
    graph: Graph,
    *,
    seed: int = 0,
    batch: int | None = None,
    repeats: int = REPEATS,
    rules: Mapping[type[Op], TorchRule] | None = None,
) -> MeasuredSignal:
    """Measure the signal of a network at initialization, over `repeats` draws of all weights with a batch each.

    `batch` is chosen by memory and work unless given; `rules` are those of a caller's own operations. Raises
    InputError where it is too small or too large, and MissingExtra without torch.
    """
    if repeats < 1:
        raise InputError(f"repeats must be at least 1, found {repeats}")
    batch = _choose_batch(graph, batch, repeats)
    module = to_torch(graph, rules=rules).train()
    draws = []
    with torch.random.fork_rng(devices=[]):
        for turn in range(repeats):
            initialize(module, graph, mix_seed(seed, turn))
            torch.manual_seed(mix_seed(seed, turn, 1))
            draws.append(_measure_once(graph, module, rules, batch))
    found = np.stack(draws)
    nodes = tuple(_summarize(node.id, found[:, i]) for i, node in enumerate(graph))
    return MeasuredSignal(nodes, batch, repeats, seed)


def _choose_batch(graph: Graph, batch: int | None, repeats: int) -> int:
    """A batch whose values fit into memory, and whose work does not take long."""
    cost = measure_cost(graph)
    size = 4 * sum(node.shape.elements for node in graph)
    work = repeats * max(1, cost.macs["conv-linear"])
    chosen = batch or max(MIN_BATCH, min(MAX_BATCH, MAX_CHOSEN_BYTES // size, MAX_MACS // work))
    if chosen < MIN_BATCH:
        raise InputError(f"a batch has at least {MIN_BATCH} samples to measure the signal, found {chosen}")
    if chosen * size > MAX_BYTES:
        found = f"{graph.name} has {size / 1e9:.1f} GB of values for one sample"
        raise InputError(f"{found}, too much for a batch of {chosen}; choose smaller sizes, as in --size H=64")
    return chosen


def _measure_once(
    graph: Graph, module: nn.Module, rules: Mapping[type[Op], TorchRule] | None, batch: int
) -> Float64Array:
    """Measure in one forward and one backward pass: (nodes, moments)."""
    rows = np.zeros((len(graph), len(MOMENTS)))
    values = {id: _draw(graph, node, batch) for id, node in graph.inputs.items()}
    for row, (_, _, value) in zip(rows, run_nodes(graph, module, values, rules=rules), strict=True):
        row[:3] = _take_moments(value.detach()) if value.is_floating_point() else np.nan
        if value.requires_grad:
            value.register_hook(_recorder(row))
    ends = [values[id] for id in graph.outputs.values() if values[id].requires_grad]
    if ends:
        torch.autograd.backward(ends, [torch.randn_like(end) for end in ends])
    return rows


def _draw(graph: Graph, node: Node, batch: int) -> Tensor:
    """Draw an input: standard normal numbers, or rows that are each as likely."""
    if node.holds_integers:
        return torch.randint(graph.rows[node.id], (batch, *node.shape))
    return torch.randn(batch, *node.shape, requires_grad=True)


def _recorder(row: Float64Array) -> Callable[[Tensor], None]:
    def record(gradient: Tensor) -> None:
        row[3] = float(torch.linalg.vector_norm(gradient, dtype=torch.float64)) ** 2 / gradient.numel()

    return record


def _take_moments(x: Tensor) -> tuple[float, float, float]:
    """Compute mean, second moment, and the mean product of the values of a channel for two samples at any positions."""
    square = float(torch.linalg.vector_norm(x, dtype=torch.float64)) ** 2
    sums = x.flatten(2).sum(2, dtype=torch.float64) if x.dim() > 2 else x.double()
    products = float(sums.sum(0).square().sum() - sums.square().sum())
    pairs = len(x) * (len(x) - 1) * x.shape[1] * (x[0, 0].numel()) ** 2
    return float(x.mean(dtype=torch.float64)), square / x.numel(), products / pairs


def _summarize(id: str, draws: Float64Array) -> MeasuredNode:
    means = dict(zip(MOMENTS, map(float, draws.mean(axis=0)), strict=True))
    spread = dict(zip(MOMENTS, map(float, draws.std(axis=0)), strict=True))
    return MeasuredNode(id=id, spread=spread, **means)


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None
