"""Recurrent layers in plain torch, position by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from tests.differential.layers import Fields

Weights = Mapping[str, Tensor]


def recur(x: Tensor, f: Fields, w: Weights, step: Callable[..., tuple[Tensor, Tensor]]) -> Tensor:
    """Position by position, and back where both directions are wanted."""
    found = []
    for way in ("_l0", "_l0_reverse")[: 1 + f["both"]]:
        own = {name.removesuffix(way): value for name, value in w.items() if name.endswith(way)}
        places = [*range(x.shape[2])][:: -1 if "reverse" in way else 1]
        h = c = x.new_zeros(x.shape[0], f["out"])
        results = {}
        for place in places:
            given = x[:, :, place] @ own["weight_ih"].T + own["bias_ih"]
            h, c = step(given, h @ own["weight_hh"].T + own["bias_hh"], h, c)
            results[place] = h
        found.append(torch.stack([results[place] for place in sorted(results)], 2))
    return torch.cat(found, 1)


def lstm_step(given: Tensor, before: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, f, g, o = (given + before).chunk(4, 1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(given: Tensor, before: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    (r, z, n), (r0, z0, n0) = given.chunk(3, 1), before.chunk(3, 1)
    z = (z + z0).sigmoid()
    return (1 - z) * (n + (r + r0).sigmoid() * n0).tanh() + z * h, c
