"""Networks at random whose start is predicted and measured: as people write them, from narrow to wide, with the layers
that the signal has laws for."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

WIDTHS = (16, 32, 64, 128, 256)
NORMS = ("batch_norm", "batch_norm", "batch_norm", "layer_norm", {"group_norm": 8}, "instance_norm")
ACTIVATIONS = ("relu", "relu", "relu", "relu", "gelu", "silu", "tanh", {"leaky_relu": 0.1}, "elu")
RARE = ({"dropout": 0.3}, {"scale": 0.5}, {"stochastic_depth": 0.7})
MAPS = ("max_pool", "avg_pool", "conv_transpose", "upsample")


def make_start(seed: int) -> dict[str, Any]:
    """A document: vectors or maps, five to forty layers of one width or two, with or without norms and shortcuts."""
    random = Random(seed)
    flat = random.random() < 0.4
    width, norm = random.choice(WIDTHS), random.choice((None, *NORMS))
    layer = "linear" if flat else "conv"
    options = {} if flat else {"kernel": random.choice((1, 3, 3, 3))}
    if flat and norm in ("instance_norm",):
        norm = "batch_norm"
    channels = random.choice((width, 3, 1)) if random.random() < 0.5 else width
    shape = [channels] if flat else [channels, *[random.choice((4, 8, 12, 16))] * 2]
    style = random.choice(("plain", "plain", "residual", "dense", "separable" if not flat else "plain"))
    norm = {"group_norm": 4} if style == "dense" and norm == {"group_norm": 8} else norm
    network: list[Any] = [{layer: {"out": width, **options}}]
    for _ in range(random.choice((2, 3, 5, 8, 12, 20))):
        network += _block(random, style, layer, width, norm, options)
        if random.random() < 0.08:
            network.append(random.choice(RARE))
        if not flat and random.random() < 0.06:
            network.append(_resize(random.choice(MAPS), width if style == "residual" else 32))
    network += [] if flat else [random.choice(("global_avg_pool", "global_avg_pool", {"max_pool": 2})), "flatten"]
    return {"archspec": 1, "name": f"start{seed}", "inputs": {"x": shape}, "network": [*network, {"linear": 16}]}


def _resize(kind: str, out: int) -> dict[str, Any]:
    return {kind: {"out": out, "kernel": 2, "stride": 2} if kind == "conv_transpose" else 2}


def _block(random: Random, style: str, layer: str, width: int, norm: Any, options: Mapping[str, Any]) -> list[Any]:
    parts = [part for part in (norm, random.choice(ACTIVATIONS)) if part]
    mix = {layer: {"out": width, **options}}
    before = random.random() < 0.5
    body = [*parts, mix] if before else [mix, *parts]
    match style:
        case "residual":
            more = [*parts, mix] if random.random() < 0.5 else []
            return [{"residual": {"body": body + more}}, *(() if before else random.choice(((), ("relu",))))]
        case "dense":
            grown = {layer: {"out": max(4, width // 4), **options}}
            return [{"concat": [[], [*parts, grown]]}]
        case "separable":
            depthwise = {"conv": {"out": width, "groups": width}}
            return [depthwise, *parts, {"conv": {"out": width, "kernel": 1}}, *parts]
    return body
