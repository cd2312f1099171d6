"""Attention in random specs: how it is read, what it stores, and what it computes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tests.differential.expressions import evaluate
from tests.differential.layers import flag, require, whole

if TYPE_CHECKING:
    from tests.differential.around import Around
    from tests.differential.interpreter import Interpreter

FIELDS: dict[str, Any] = {"heads": 1, "bias": "none", "causal": False, "scale": None, "similarity": "dot"}


def run_attend(walk: Interpreter, given: Mapping[str, Any], value: str, name: str, around: Around) -> str:
    inner, names = around.inside(name), walk.names(around, value)
    settings = {**FIELDS, **walk.settings("attend", around), **given}
    ways = [walk.run_body(settings.pop(word, []), value, inner.inside(word)) for word in ("query", "key", "value")]
    settings["heads"] = whole(1, 1).take(evaluate(settings["heads"], names))
    settings["causal"] = flag(default=False).take(evaluate(settings["causal"], names))
    scale = settings["scale"]
    settings["scale"] = scale if scale is None else float(evaluate(scale, names))
    query, key, values = map(walk.shape, ways)
    require(min(map(len, (query, key))) > 1, "attention needs an axis of space")
    require(query[0] == key[0] and key[1:] == values[1:], "query, key and value do not fit")
    require(not query[0] % settings["heads"] and not values[0] % settings["heads"], "the heads do not divide")
    require(query == key or (settings["bias"] == "none" and not settings["causal"]), "other positions")
    require(settings["similarity"] == "dot" or scale is None, "a cosine learns its scale")
    return walk.put(f"{inner.path}.attention", "attention", settings, ways, (values[0], *query[1:]))


def attend(operands: list[Tensor], f: Mapping[str, Any], w: Mapping[str, Tensor]) -> Tensor:
    """Each position of the query by itself, head by head."""
    heads = f["heads"]
    q, k, v = (x.flatten(2).reshape(x.shape[0], heads, -1, math.prod(x.shape[2:])) for x in operands)
    scores = torch.einsum("nhdi,nhdj->nhij", q, k)
    if f["similarity"] == "cosine":
        lengths = q.norm(dim=2)[..., :, None] * k.norm(dim=2)[..., None, :]
        scores = scores / lengths * w["logit_scale"].exp().clamp(max=100)[:, None, None]
    else:
        scores = scores * (q.shape[2] ** -0.5 if f["scale"] is None else f["scale"])
    if f["bias"] == "relative":
        scores = scores + look_up(w["table"], operands[0].shape[2:])
    if f["causal"]:
        later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, -math.inf)
    found = torch.einsum("nhij,nhdj->nhdi", scores.softmax(-1), v)
    return found.reshape(found.shape[0], -1, *operands[0].shape[2:])


def look_up(table: Tensor, space: tuple[int, ...]) -> Tensor:
    places = list(itertools.product(*map(range, space)))
    rows = []
    for one, other in itertools.product(places, places):
        row = 0
        for extent, i, j in zip(space, one, other, strict=True):
            row = row * (2 * extent - 1) + i - j + extent - 1
        rows.append(table[row])
    return torch.stack(rows, 1).reshape(-1, len(places), len(places))
