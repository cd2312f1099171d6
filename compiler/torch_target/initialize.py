"""The first values of weights. Each tensor draws from a generator of its own, seeded by the run's seed and its name, so
that one more layer changes no other layer's start."""

from __future__ import annotations

import hashlib
import math

import torch
from torch import Tensor, nn

from archspec.ops import Weight
from compiler.graph import Graph


def initialize(module: nn.Module, graph: Graph, seed: int) -> None:
    """Fill a module's parameters and buffers as the graph's weights say."""
    state = module.state_dict(keep_vars=True)
    assert state.keys() == graph.weights.keys(), state.keys() ^ graph.weights.keys()
    with torch.no_grad():
        for name, weight in graph.weights.items():
            assert state[name].shape == weight.shape, (name, state[name].shape, weight.shape)
            fill(state[name], weight, generator_for(seed, name))
            if not weight.trainable:
                state[name].requires_grad_(False)


def generator_for(seed: int, name: str) -> torch.Generator:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def fill(tensor: Tensor, weight: Weight, generator: torch.Generator) -> None:
    """Draw one tensor.

    he and he_fan_out: normal; glorot and torch: uniform; each with the deviation that the weight says; a number: that
    number, or normal around it.
    """
    match weight.init:
        case "he" | "he_fan_out":
            tensor.normal_(0, weight.deviation, generator=generator)
        case "glorot" | "torch":
            bound = math.sqrt(3) * weight.deviation
            tensor.uniform_(-bound, bound, generator=generator)
        case "zeros":
            tensor.zero_()
        case float(constant) if weight.std:
            tensor.normal_(constant, weight.std, generator=generator)
        case float(constant):
            tensor.fill_(constant)
