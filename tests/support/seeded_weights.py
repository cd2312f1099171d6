"""Weights and inputs that follow from their names alone, the same on every machine: what another library computed with
them once can be stored as a few numbers."""

from __future__ import annotations

import hashlib
from math import prod

import numpy as np

from archspec.arrays import Float32Array
from archspec.ops import Weight
from compiler.graph import Graph
from tests.support.lowering import Arrays

SHARE = 0.2
"""The standard deviation of the noise on what starts at a number of its own."""

GAIN = 1.5
"""The variance of a kernel's numbers, times the number of those that an output sums: between that of a network without
rectifiers and that of one with them, so that neither fades or overflows."""


def seed_weights(graph: Graph) -> Arrays:
    """Draw all weights of a graph, none at a special value, and none so large that a deep network overflows."""
    return {name: _draw(name, weight) for name, weight in graph.weights.items()}


def seed_inputs(graph: Graph, batch: int) -> Arrays:
    """Draw standard normal inputs, or rows of tables, at the sizes of the graph."""
    return {
        name: _random(name).randint(graph.rows[name], size=(batch, *node.shape))
        if name in graph.rows
        else _random(name).standard_normal((batch, *node.shape)).astype(np.float32)
        for name, node in graph.inputs.items()
    }


def _draw(name: str, weight: Weight) -> Float32Array:
    """Draw one weight, by its shape and whether it is a kernel; not by how a kernel starts, which may change."""
    noise = _random(name).standard_normal(weight.shape)
    if name.endswith("running_var"):
        values = 0.5 + np.abs(noise)
    elif isinstance(weight.init, str):
        values = noise * (GAIN / max(1, prod(weight.shape[1:]))) ** 0.5
    else:  # a factor that starts near zero, as a layer scale does, would hide what it multiplies
        values = (weight.init if abs(weight.init) >= SHARE else 0.0) + SHARE * noise
    return np.asarray(values, np.float32)


def _random(name: str) -> np.random.RandomState:
    """The generator of a name: of the kind whose numbers numpy has promised never to change."""
    return np.random.RandomState(np.frombuffer(hashlib.sha256(name.encode()).digest(), np.uint32))


def swap_two_kernels(arrays: Arrays) -> Arrays:
    """The same, but two kernels of one shape stand in each other's place, late in the network, where it shows most. In
    a network in which all shapes differ, one kernel has its outputs in the other order."""
    seen: dict[tuple[int, ...], str] = {}
    for name, array in reversed(arrays.items()):
        if array.ndim < 2 or array.size < 4:
            continue
        other = seen.setdefault(array.shape, name)
        if other != name:
            return {**arrays, name: arrays[other], other: array}
    *_, last = (name for name, array in arrays.items() if array.ndim > 2)
    return {**arrays, last: arrays[last][::-1].copy()}
