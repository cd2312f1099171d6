"""A spec and a state dict of others that fits it by rules of names."""

from __future__ import annotations

from typing import Any

import torch

from archspec.api import elaborate, load
from archspec.weights import find_rules, match_weights
from compiler.graph import Graph
from runtime.weights.convert import Conversion

SPEC = """\
archspec: 1
params: {depth: 2, widths: [4, 4]}
inputs: {x: [3, H, W]}
sizes: {H: 8, W: 8}
network:
  - repeat: {n: depth, body: [conv: {out: 4, kernel: 1}, batch_norm]}
  - global_avg_pool
  - flatten
  - linear: 5
"""
RULES = """\
weight_rules: 1
rules:
  - specs: [net]
    sources: [theirs]
    let: {width: [len(widths), 9]}
    names:
      repeat_0.i{k}.conv_0: layers.{10 * k + width[0]}.fc
      repeat_0.i{k}.batch_norm_0: layers.{10 * k + len(widths)}.bn
      linear_0.weight: head
      linear_0.bias: head_bias
  - specs: [other]
    sources: [theirs]
    names: {linear_0: {name: elsewhere}}
"""


def their_state() -> dict[str, torch.Tensor]:
    """What fits the spec: the convolutions are linear layers there, and a counter stands beside each normalization."""
    random = torch.Generator().manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for at, inputs in ((2, 3), (12, 4)):
        state[f"layers.{at}.fc.weight"] = torch.randn(4, inputs, generator=random)
        for name in ("fc.bias", "bn.weight", "bn.bias", "bn.running_mean"):
            state[f"layers.{at}.{name}"] = torch.randn(4, generator=random)
        state[f"layers.{at}.bn.running_var"] = torch.rand(4, generator=random) + 0.5
        state[f"layers.{at}.bn.num_batches_tracked"] = torch.tensor(7)
    state["head"] = torch.randn(5, 4, generator=random)
    state["head_bias"] = torch.randn(5, generator=random)
    return state


def their_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The same network in torch's own words, layers of positions instead of convolutions."""
    x = x.movedim(1, -1)
    for at in (2, 12):
        x = torch.nn.functional.linear(x, state[f"layers.{at}.fc.weight"], state[f"layers.{at}.fc.bias"])
        mean, variance = state[f"layers.{at}.bn.running_mean"], state[f"layers.{at}.bn.running_var"]
        x = (x - mean) / (variance + 1e-5).sqrt() * state[f"layers.{at}.bn.weight"] + state[f"layers.{at}.bn.bias"]
    return x.mean((1, 2)) @ state["head"].T + state["head_bias"]


def build() -> Graph:
    return elaborate(load("net.yaml"))


def match(state: Any, file: str = "w.pth", source: str = "auto") -> Conversion:
    torch.save(state, file)
    return match_weights(file, build(), find_rules("net.yaml", load("net.yaml").params), source)
