"""What a flat network gives for random inputs, and how far two results are from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tests.differential.executor import execute
from tests.differential.harness import Disagreement
from tests.differential.network import Network

CLOSE = 1e-10
"""Relative to the largest value, in double precision; more where rounding the inputs alone moves the results more."""


def sample_inputs(network: Network, batch: int = 2) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {name: (batch, *network.operations[name].shape) for name in network.letters}
    return {
        name: torch.randint(network.rows(name), shape, generator=generator)
        if name in network.integers
        else torch.randn(shape, generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def run(
    network: Network, weights: Mapping[str, Tensor], inputs: Mapping[str, Tensor], kind: torch.dtype | None = None
) -> dict[str, Tensor]:
    """The outputs by name; with a `kind`, computed in numbers of that type."""
    values = execute(network, weights, inputs, kind)
    return {name: values[operation] for name, operation in network.outputs.items()}


def run_module(module: torch.nn.Module, outputs: Mapping[str, str], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same of a module of ours."""
    result = module(*inputs.values())
    return result if isinstance(result, dict) else {next(iter(outputs)): result}


def distance(expected: Tensor, found: Tensor) -> float:
    """The largest difference, relative to the largest value; infinite where the shapes differ or one is no number."""
    if expected.shape != found.shape or not bool(torch.isfinite(found).all() and torch.isfinite(expected).all()):
        return float("inf")
    scale = max(float(expected.abs().max()), 1e-300)
    return float((expected - found).abs().max()) / scale


def differ(kind: str, where: str, expected: Any, found: Any) -> Iterator[Disagreement]:
    if expected != found:
        yield Disagreement(kind, f"{where}: expected {expected}, found {found}"[:400])
