"""Activations that exporters write in pieces, found by the numbers that they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import reduce

import numpy as np

from archspec.arrays import Array
from archspec.ops import LAYERS, OPS, Clip, Gelu, Layer, Scale, Shape, Shift
from archspec.ops.functions import Floored
from archspec.ops.merge import Repeating
from archspec.ops.scalar import Scalar
from compiler.dominators import find_dominators
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.foreign import Elementwise

POINTS = np.linspace(-8, 8, 65)
"""The points where functions are compared: none of those below agree at all of them."""
MAX_PIECES = 12
"""The largest number of nodes that one activation is written in; the tanh form of GELU takes nine."""

MAX_TRIES = 100_000
"""The largest number of groups of nodes that are looked at; a network of 1,000 nodes has a few hundred."""


_erf = np.vectorize(math.erf, otypes=[np.float64])
_FOREIGN: Mapping[str, Callable[..., Array]] = {
    "erf": _erf,
    "exp": np.exp,
    "log": np.log,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "reciprocal": lambda x: 1 / x,
    "pow": np.power,
    "div": lambda *xs: np.asarray(reduce(np.divide, xs)),
    "sub": lambda *xs: np.asarray(reduce(np.subtract, xs)),
    "add": lambda *xs: np.asarray(sum(xs)),
    "mul": lambda *xs: np.asarray(math.prod(xs)),
    "max": lambda *xs: np.asarray(reduce(np.maximum, xs)),
    "min": lambda *xs: np.asarray(reduce(np.minimum, xs)),
    "clip": np.clip,
}


def _draw(op: Scalar, x: Array) -> Array:
    """The function of each number."""
    found: Array = np.vectorize(op.curve, otypes=[np.float64])(x)
    return found


USUAL = tuple(op() for op in OPS if issubclass(op, Scalar) and op is not Clip)
CURVED = tuple(op for op in USUAL if not op.weights(Shape(1)))
"""The activations that say at once what they give: without weights, and with the usual fields."""
KNOWN: tuple[tuple[Layer, Array], ...] = (
    *((op, _draw(op, POINTS)) for op in CURVED),
    (
        Gelu(approximate="tanh"),
        POINTS * (1 + np.tanh(math.sqrt(2 / math.pi) * (POINTS + 0.044715 * POINTS**3))) / 2,
    ),
)

CURVES = np.array([known for _, known in KNOWN])


def join_activations(graph: Graph) -> Graph:
    """Join a few operations on one value to the activation that computes the same: they are compared by their
    values."""
    dominators = find_dominators(graph)
    outputs = set(graph.outputs.values())
    joined: dict[str, Node] = {}
    gone: set[str] = set()
    tries = 0
    for node in reversed(list(graph)):
        start: str | None = None if node.id in gone or not _can_end(node) else dominators[node.id]
        for _ in range(MAX_PIECES):
            tries += 1
            if tries > MAX_TRIES:
                break
            pieces = _collect(graph, node, start) if start else None
            if start is None or pieces is None:
                break
            inner = pieces.keys() - {node.id}
            closed = all(reader in pieces for id in inner for reader in graph.readers[id]) and not inner & outputs
            op = _identify(start, pieces, node) if closed else None
            if op:
                joined[node.id] = replace(node, op=op, inputs=(start,))
                gone |= inner
                break
            start = dominators[start]
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in gone)


def _can_end(node: Node) -> bool:
    """Tell whether a node may be the last piece of an activation."""
    if isinstance(node.op, Elementwise):
        return not node.op.stores
    if isinstance(node.op, Scale | Shift):  # what changes nothing may be a number that was not trained yet
        return not node.op.trainable and node.op.value != (1 if isinstance(node.op, Scale) else 0)
    return isinstance(node.op, Repeating)


def _collect(graph: Graph, last: Node, start: str) -> dict[str, Node] | None:
    """The nodes between the two, all of them pieces of a function and few; else None."""
    found: dict[str, Node] = {}
    todo = [last.id]
    while todo:
        id = todo.pop()
        if id == start or id in found:
            continue
        node = graph[id]
        fits = _can_end(node) or (isinstance(node.op, Scalar) and not node.op.weights(node.shape))
        if not fits or node.shape != last.shape or len(found) >= MAX_PIECES:
            return None
        found[id] = node
        todo += node.inputs
    return found if graph[start].shape == last.shape else None


def _identify(start: str, pieces: Mapping[str, Node], last: Node) -> Layer | None:
    """The activation whose values these pieces give."""
    if all(isinstance(piece.op, Scale | Shift) for piece in pieces.values()):
        return None
    if len(pieces) == 1 and not isinstance(last.op, Elementwise):
        return None
    if floored := _find_floor(pieces, last):
        return floored
    values = {start: POINTS}
    with np.errstate(all="ignore"):
        found = _compute(last, pieces, values)
        if found is None:
            return None
        same = (np.abs(found - CURVES) <= 1e-6 + 1e-5 * np.abs(CURVES)).all(1)
    return next((op for (op, _), fits in zip(KNOWN, same, strict=True) if fits), None)


def _find_floor(pieces: Mapping[str, Node], last: Node) -> Layer | None:
    """The function of positive numbers that two pieces are: a clip from below by some number, and the function."""
    match [last.op, *(piece.op for piece in pieces.values() if piece.id != last.id)]:
        case [Elementwise(function=word), Clip(low=low, high=None)] if low is not None and low > 0:
            known = LAYERS.get(word)
            return known(eps=low) if known and issubclass(known, Floored) else None
        case _:
            return None


def _compute(node: Node, pieces: Mapping[str, Node], values: dict[str, Array]) -> Array | None:
    """Compute what a piece gives at `POINTS`, its operands first."""
    for operand in node.inputs:
        if operand not in values:
            found = _compute(pieces[operand], pieces, values)
            if found is None:
                return None
            values[operand] = found
    xs = [values[operand] for operand in node.inputs]
    match node.op:
        case Scale(value=value):
            return xs[0] * value
        case Shift(value=value):
            return xs[0] + value
        case Repeating() as op:
            return _FOREIGN[op.kind](*xs)
        case Elementwise(function=function, numbers=numbers):
            rest = iter(xs)
            given = [next(rest) if number is None else np.float64(number) for number in numbers]
            rule = _FOREIGN.get(function)
            return rule(*given) if rule and given else None
        case Scalar() as op:
            return _draw(op, xs[0])
        case _:
            return None
