"""The gradient of a fresh network by path length, exactly, by the graded backward pass.

Veit et al. (2016) sample paths of each length instead and multiply by their number, which ignores that paths cancel
out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb
from random import Random
from typing import Any

from archspec.errors import InputError
from archspec.extras import extra
from archspec.ops import Op
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.analysis.paths.gradient import Effective, find_effective
from compiler.graph import Graph, Node
from runtime.experiments.backward import EndGradients, NodeStep, carry_back, run_forward

with extra("train"):
    import torch
    from torch import Tensor

    from compiler.torch_target.initialize import generator_for
    from compiler.torch_target.module import to_torch
    from compiler.torch_target.rules import TorchRule

MAX_BYTES = 4 << 30
"""The largest total size, in bytes, of activations and graded gradients (float64)."""


@dataclass(frozen=True)
class MeasuredPathGradient:
    """The gradient G with respect to the inputs, its parts G^(k) by path length k from 0, and their number of paths.

    norms: ‖G^(k)‖ over the whole batch. shares: ⟨G^(k), G⟩ / ‖G‖², which sum to one and may be negative. sampled: the
    mean norm of one path's gradient times the number of paths, where paths were sampled.
    """

    norms: tuple[float, ...]
    shares: tuple[float, ...]
    paths: Mapping[int, int] | None
    sampled: tuple[float, ...] | None
    batch: int
    seed: int

    @cached_property
    def energies(self) -> tuple[float, ...]:
        """The share of each ‖G^(k)‖² in the sum of them all, to hold against what `predict_path_gradient` expects."""
        squares = [norm**2 for norm in self.norms]
        total = sum(squares)
        return tuple(square / total if total else 0.0 for square in squares)

    @property
    def mean(self) -> float:
        """The mean length, weighted by energy."""
        return sum(length * energy for length, energy in enumerate(self.energies))

    @cached_property
    def effective(self) -> Effective:
        """The shortest run of lengths that carries most of the energy."""
        return find_effective(self.energies, self.paths)

    def to_dict(self) -> dict[str, Any]:
        rows = []
        for length, (norm, energy, share) in enumerate(zip(self.norms, self.energies, self.shares, strict=True)):
            row: dict[str, Any] = {"length": length, "norm": norm, "energy": energy, "share": share}
            rows.append(row | ({"sampled": self.sampled[length]} if self.sampled else {}))
        effective = self.effective.to_dict()
        return {"batch": self.batch, "seed": self.seed, "mean": self.mean, "effective": effective, "lengths": rows}


def measure_path_gradient(
    graph: Graph,
    *,
    seed: int = 0,
    batch: int = 8,
    samples: int | None = None,
    rules: Mapping[type[Op], TorchRule] | None = None,
) -> MeasuredPathGradient:
    """Measure the gradient by path length on a fresh network in training mode, in float64, for standard normal inputs
    and standard normal gradients at its outputs.

    With `samples` also so many random paths of each length, as Veit et al. (2016) do; that is for chains of blocks.
    `rules` are those of a caller's own operations. Raises InputError where memory would not do, where no gradient
    reaches the inputs, or where paths are to be sampled of a network that is no chain.
    """
    _check_memory(graph, batch)
    paths = count_paths(graph, by_length=True)
    blocks = _find_chain(graph, paths.ungated.by_length or {}) if samples else []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = to_torch(graph, seed=seed, rules=rules).double().train().requires_grad_(False)
        inputs = {id: _draw_input(graph, seed, batch, node) for id, node in graph.inputs.items()}
        steps = run_forward(graph, module, inputs, rules)
    ends = [(id, _draw(seed, f"gradient of {name}", batch, graph[id])) for name, id in graph.outputs.items()]
    parts = carry_back(graph, steps, ends)
    whole = parts.sum(0)
    if not whole.any():
        raise InputError(f"no gradient of {graph.name} reaches its inputs")
    return MeasuredPathGradient(
        norms=tuple(parts.norm(dim=1).tolist()),
        shares=tuple((parts @ whole / (whole @ whole)).tolist()),
        paths=paths.block.by_length,
        sampled=_sample(graph, steps, ends, blocks, samples, seed) if samples else None,
        batch=batch,
        seed=seed,
    )


def _check_memory(graph: Graph, batch: int) -> None:
    cost = measure_cost(graph)
    grades = 1 + sum(node.body is not None for node in graph)
    needed = 8 * batch * (2 * cost.activations + 2 * grades * cost.largest.shape.elements)
    if needed > MAX_BYTES:
        raise InputError(
            f"measuring {graph.name} by path length at batch {batch} takes about {needed >> 30} GiB, and at most "
            f"{MAX_BYTES >> 30} are used: choose smaller inputs, or in Python a smaller batch"
        )


def _draw_input(graph: Graph, seed: int, batch: int, node: Node) -> Tensor:
    """Draw an input: standard normal numbers, or rows that are each as likely."""
    if node.holds_integers:
        return torch.randint(
            graph.rows[node.id], (batch, *node.shape), generator=generator_for(seed, f"input {node.id}")
        )
    return _draw(seed, f"input {node.id}", batch, node)


def _draw(seed: int, purpose: str, batch: int, node: Node) -> Tensor:
    return torch.randn(batch, *node.shape, generator=generator_for(seed, purpose), dtype=torch.float64)


def _find_chain(graph: Graph, lengths: Mapping[int, int]) -> list[str]:
    """The nodes that join the blocks of a chain. Raises InputError where the network is none."""
    blocks = [node.id for node in graph if node.body is not None]
    n = len(blocks)
    if len(graph.outputs) > 1 or dict(lengths) != {length: comb(n, length) for length in range(n + 1)}:
        raise InputError(
            f"paths are sampled of networks that are a chain of blocks, and {graph.name} is not; "
            "leave the samples out: the gradient by path length is exact without them"
        )
    return blocks


def _sample(
    graph: Graph, steps: Sequence[NodeStep], ends: EndGradients, blocks: Sequence[str], samples: int, seed: int
) -> tuple[float, ...]:
    """Compute for each length the mean norm of the gradient along one path, times the number of paths."""
    random, means = Random(seed), []
    for length in range(len(blocks) + 1):
        norms = []
        for _ in range(samples):
            bodies = set(random.sample(blocks, length))
            gradient = carry_back(graph, steps, ends, {id: int(id in bodies) for id in blocks})
            norms.append(float(gradient.norm()))
        means.append(comb(len(blocks), length) * sum(norms) / samples)
    return tuple(means)
