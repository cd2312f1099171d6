"""What exporters write in pieces, put together again: activations, norms, biases, shuffles."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archspec.ops import (
    Add,
    Conv,
    ConvTranspose,
    Gelu,
    GroupNorm,
    HardSigmoid,
    HardSwish,
    InstanceNorm,
    Layer,
    LayerNorm,
    Linear,
    Mul,
    Op,
    Relu,
    Relu6,
    Scale,
    Shift,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
    Weight,
)
from compiler.dominators import find_dominators
from compiler.graph import Graph, Node
from compiler.onnx_source.ops.foreign import Elementwise
from compiler.onnx_source.ops.moves import Rearrange
from compiler.onnx_source.ops.products import Rows
from compiler.onnx_source.ops.windows import Convolution
from compiler.onnx_source.simplify.moves import join_moves

Numbers: TypeAlias = NDArray[np.float64]

POINTS = np.linspace(-8, 8, 65)
"""Where functions are compared: none of those below agree at all of them."""
MOST_PIECES = 12
"""Nodes that one activation is written in; the tanh form of GELU takes nine."""
MOST_TRIES = 100_000
"""Groups of nodes that are looked at; a network of 1,000 nodes has a few hundred."""


def recognize(graph: Graph) -> Graph:
    """The same network with its activations, group norms, biases and shuffles in one piece each."""
    return join_moves(join_biases(join_group_norms(join_activations(graph))))


_erf = np.vectorize(math.erf, otypes=[np.float64])
_SIMPLE: Mapping[type[Op], Callable[[Numbers], Numbers]] = {
    Relu: lambda x: np.maximum(x, 0),
    Relu6: lambda x: np.clip(x, 0, 6),
    Sigmoid: lambda x: 1 / (1 + np.exp(-x)),
    HardSigmoid: lambda x: np.clip(x + 3, 0, 6) / 6,
    HardSwish: lambda x: x * np.clip(x + 3, 0, 6) / 6,
    Tanh: np.tanh,
    Softplus: lambda x: np.log1p(np.exp(x)),
}
_FOREIGN: Mapping[str, Callable[..., Numbers]] = {
    "erf": _erf,
    "exp": np.exp,
    "log": np.log,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "reciprocal": lambda x: 1 / x,
    "pow": np.power,
    "div": np.divide,
    "sub": np.subtract,
    "add": lambda *xs: np.asarray(sum(xs)),
    "mul": lambda *xs: np.asarray(math.prod(xs)),
    "max": lambda *xs: np.asarray(reduce(np.maximum, xs)),
    "min": lambda *xs: np.asarray(reduce(np.minimum, xs)),
    "clip": np.clip,
}

KNOWN: tuple[tuple[Layer, Numbers], ...] = (
    *((op(), function(POINTS)) for op, function in _SIMPLE.items() if issubclass(op, Layer)),
    (Silu(), POINTS / (1 + np.exp(-POINTS))),
    (Gelu(), POINTS * (1 + _erf(POINTS / math.sqrt(2))) / 2),
    (
        Gelu(approximate="tanh"),
        POINTS * (1 + np.tanh(math.sqrt(2 / math.pi) * (POINTS + 0.044715 * POINTS**3))) / 2,
    ),
)

CURVES = np.array([known for _, known in KNOWN])


def join_activations(graph: Graph) -> Graph:
    """One activation where a few operations on one value compute the same: they are compared by their values."""
    dominators = find_dominators(graph)
    outputs = set(graph.outputs.values())
    joined: dict[str, Node] = {}
    gone: set[str] = set()
    tries = 0
    for node in reversed(list(graph)):
        start: str | None = None if node.id in gone or not _can_end(node) else dominators[node.id]
        for _ in range(MOST_PIECES):
            tries += 1
            if tries > MOST_TRIES:
                break
            pieces = _collect(graph, node, start) if start else None
            if start is None or pieces is None:
                break
            inner = pieces.keys() - {node.id}
            closed = all(reader in pieces for id in inner for reader in graph.readers[id]) and not inner & outputs
            op = _identify(graph, start, pieces, node) if closed else None
            if op:
                joined[node.id] = replace(node, op=op, inputs=(start,))
                gone |= inner
                break
            start = dominators[start]
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in gone)


def _can_end(node: Node) -> bool:
    """Whether a node may be the last piece of an activation."""
    if isinstance(node.op, Elementwise):
        return not node.op.stores
    if isinstance(node.op, Scale | Shift):  # what changes nothing may be a number that was not trained yet
        return not node.op.trainable and node.op.value != (1 if isinstance(node.op, Scale) else 0)
    return isinstance(node.op, Mul | Add)


def _collect(graph: Graph, last: Node, start: str) -> dict[str, Node] | None:
    """The nodes between the two, all of them pieces of a function and few; else None."""
    found: dict[str, Node] = {}
    todo = [last.id]
    while todo:
        id = todo.pop()
        if id == start or id in found:
            continue
        node = graph[id]
        if not (_can_end(node) or type(node.op) in _SIMPLE) or node.shape != last.shape or len(found) >= MOST_PIECES:
            return None
        found[id] = node
        todo += node.inputs
    return found if graph[start].shape == last.shape else None


def _identify(graph: Graph, start: str, pieces: Mapping[str, Node], last: Node) -> Layer | None:
    """The activation whose values these pieces give."""
    if all(isinstance(piece.op, Scale | Shift) for piece in pieces.values()):
        return None
    if len(pieces) == 1 and not isinstance(last.op, Elementwise):
        return None
    values = {start: POINTS}
    with np.errstate(all="ignore"):
        found = _compute(last, pieces, values)
        if found is None:
            return None
        same = (np.abs(found - CURVES) <= 1e-6 + 1e-5 * np.abs(CURVES)).all(1)
    return next((op for (op, _), fits in zip(KNOWN, same, strict=True) if fits), None)


def _compute(node: Node, pieces: Mapping[str, Node], values: dict[str, Numbers]) -> Numbers | None:
    """What a piece gives at `POINTS`, its operands first."""
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
        case Add():
            return sum(xs, np.zeros_like(POINTS))
        case Mul():
            return np.asarray(np.prod(xs, axis=0))
        case Elementwise(function=function, numbers=numbers):
            rest = iter(xs)
            given = [next(rest) if number is None else np.float64(number) for number in numbers]
            rule = _FOREIGN.get(function)
            return rule(*given) if rule and given else None
        case op:
            return _SIMPLE[type(op)](xs[0])


def join_group_norms(graph: Graph) -> Graph:
    """Instance normalization of groups laid out as channels, and back, is group normalization; with one group, layer
    normalization. A scale and a shift for each channel that follow are its own."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph:
        chain = _follow_group_norm(graph, node)
        if chain:
            (first, norm, _), affine, last = chain[:3], chain[3:], chain[-1]
            groups, eps = norm.shape.channels, norm.op.eps  # type: ignore[attr-defined]
            op: Op = GroupNorm(groups=groups, eps=eps, affine=bool(affine))
            if groups == 1:
                op = LayerNorm(eps=eps, affine=bool(affine))
            stored = _take_over(zip(("weight", "bias"), affine, strict=False))
            joined[last.id] = replace(last, op=op, inputs=first.inputs, stored=stored)
            renamed |= {piece.id: last.id for piece in chain[:-1]}
    return graph.with_nodes(joined.get(node.id, node) for node in graph if node.id not in renamed)


def _follow_group_norm(graph: Graph, first: Node) -> list[Node] | None:
    """The pieces of a group normalization that starts here, in order."""
    if not _lays_out(first) or len(first.shape) != 2:
        return None
    x = graph[first.inputs[0]].shape
    chain = [first]
    for fits in (_is_plain_instance_norm, _lays_out):
        after = _only_reader(graph, chain[-1])
        if after is None or not fits(after):
            return None
        chain.append(after)
    if chain[-1].shape != x or x.channels % first.shape.channels:
        return None
    scale = _only_reader(graph, chain[-1])
    shift = _only_reader(graph, scale) if scale else None
    both = scale and shift and _is_by_channel(scale, Scale) and _is_by_channel(shift, Shift)
    return [*chain, scale, shift] if scale and shift and both else chain


def _lays_out(node: Node) -> bool:
    return isinstance(node.op, Rearrange) and node.op.function == "reshape"


def _is_plain_instance_norm(node: Node) -> bool:
    return isinstance(node.op, InstanceNorm) and not node.op.affine


def _is_by_channel(node: Node, kind: type[Scale] | type[Shift]) -> bool:
    return isinstance(node.op, kind) and node.op.trainable and node.op.per == "channel"


def join_biases(graph: Graph) -> Graph:
    """Stored numbers, added to what a layer without bias gives, are its bias."""
    joined: dict[str, Node] = {}
    renamed: dict[str, str] = {}
    for node in graph:
        after = _only_reader(graph, node)
        if after and isinstance(node.op, WITH_BIAS) and not node.op.bias and _is_bias(node, after):
            stored = {**(node.stored or {}), **_take_over([("bias", after)])}
            joined[node.id] = replace(node, op=node.op.model_copy(update={"bias": True}), stored=stored)
            renamed[after.id] = node.id
    return graph.with_nodes((joined.get(node.id, node) for node in graph if node.id not in renamed), renamed)


WITH_BIAS = (Conv, ConvTranspose, Linear, Rows, Convolution)


def _take_over(pieces: Iterable[tuple[str, Node]]) -> dict[str, Weight]:
    """The stored tensors of nodes that become part of another, by their short names there."""
    brought = {name: list((piece.stored or {}).values()) for name, piece in pieces}
    return {
        f"{name}_{number}" if number else name: weight
        for name, weights in brought.items()
        for number, weight in enumerate(weights)
    }


def _is_bias(layer: Node, after: Node) -> bool:
    if isinstance(layer.op, Rows) and isinstance(after.op, Elementwise):
        stored = after.op.stores == ((layer.shape[-1],),)
        return stored and after.op.function == "add" and len(after.inputs) == 1
    return _is_by_channel(after, Shift)


def _only_reader(graph: Graph, node: Node) -> Node | None:
    """The node that alone reads this one's result, which is no output."""
    readers = graph.readers[node.id]
    return graph[readers[0]] if len(readers) == 1 and node.id not in graph.outputs.values() else None
