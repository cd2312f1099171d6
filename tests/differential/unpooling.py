"""The way back from a max pooling in random specs: how it is read, and what it computes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tests.differential import layers, shapes
from tests.differential.expressions import expand
from tests.differential.layers import require

if TYPE_CHECKING:
    from tests.differential.around import Around
    from tests.differential.interpreter import Interpreter


def run_max_unpool(walk: Interpreter, given: Mapping[str, Any], value: str, name: str, around: Around) -> str:
    label = expand(given["like"], walk.names(around, value))
    require(label in around.taps, f"unknown tap {label}")
    pool = walk.network.operations[around.taps[label]]
    require(pool.kind == "max_pool" and walk.shape(value) == pool.shape, "max_unpool undoes a max_pool")
    (source,) = pool.inputs
    for own in (layers.at(pool.fields, axis) for axis in range(len(pool.shape) - 1)):
        stride = own["stride"] or own["kernel"]
        require(own["kernel"] <= stride, "windows overlap")
        require(not own["ceil"] or (own["kernel"] == stride and not own["padding"]), "what `ceil` adds is too much")
    return walk.put(around.inside(name).path, "max_unpool", dict(pool.fields), [value, source], walk.shape(source))


def unpool(value: Tensor, pooled: Tensor, f: Mapping[str, Any]) -> Tensor:
    """One window after the other: its value, where the first of its largest numbers stands."""
    found, every = torch.zeros_like(pooled), (slice(None), slice(None))
    ways = [shapes.windows(layers.at(f, axis), extent) for axis, extent in enumerate(pooled.shape[2:])]
    for place in itertools.product(*(enumerate(windows) for windows in ways)):
        inside = tuple(
            slice(max(start, 0), min(end, extent))
            for (_, (start, end)), extent in zip(place, pooled.shape[2:], strict=True)
        )
        region = pooled[every + inside].flatten(2)
        largest = region == region.amax(2, keepdim=True)
        first = largest & (largest.cumsum(2) == 1)
        own = value[every + tuple(i for i, _ in place)][..., None]
        found[every + inside] = torch.where(first, own, 0.0).reshape(pooled[every + inside].shape)
    return found
