"""Stored numbers that are not finite: what is added or chosen may be a mask, and what is multiplied by is none; and
variances below zero, whose root is NaN.

Zero times infinity is NaN, and an infinite number in a kernel is one that was too large for its type, or of which a bit
was changed. So an infinite stored tensor is followed from where it stands, a Constant, a branch or a function too,
through nodes that only move numbers, to the nodes that read it.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from archspec.finite import is_finite
from archspec.wording import tell_count
from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts
from runtime.verification.model.half_rounding import HALVES
from runtime.verification.model.inside import ModelInside

with extra("run"):
    import onnx
    from onnx import TensorProto, numpy_helper

    from compiler.onnx_file.external import is_external
    from compiler.onnx_file.nodes import describe_node, find_graphs, read_attribute, read_constant, walk_nodes

FACTORS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(
        ("Mul", "MatMul", "Gemm", "Conv", "ConvTranspose", "FusedMatMul", "FusedConv", "FusedGemm"), (0, 1)
    ),
    **dict.fromkeys(("RNN", "GRU"), (0, 1, 2, 5)),
    "LSTM": (0, 1, 2, 5, 6, 7),
    **dict.fromkeys(("InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization"), (1,)),
    **dict.fromkeys(("SimplifiedLayerNormalization", "PRelu", "QuantizeLinear", "DequantizeLinear"), (1,)),
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization", "MatMulNBits"), (2,)),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul"), (1, 4, 6)),
    "QGemm": (1, 4, 7),
    "MatMulIntegerToFloat": (2, 3),
    "DynamicQuantizeMatMul": (2,),
    "BatchNormalization": (1, 3, 4),
    "DeformConv": (0, 1, 4),
    "Attention": (0, 1, 2),
    "Einsum": (0, 1, 2, 3),
    "STFT": (0, 2),
}
"""The operands that an operation multiplies by. A bias is added, and may rule a class out; what is divided by infinity
is zero, and never NaN."""

VARIANCE, EPSILON = 4, 1e-5
"""The operand of a BatchNormalization that is the variance, and what is added to it before its root is taken."""

MOVES = frozenset(
    {
        *("Identity", "Cast", "CastLike", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile"),
        *("Slice", "Split", "Gather", "GatherElements", "GatherND", "Concat", "DepthToSpace", "SpaceToDepth"),
        *("Neg", "Abs"),
    }
)
"""Operations that give the numbers of their first operand, Concat of all: in other places, types or signs."""

FILLS = frozenset({"Pad", "Trilu"})
"""The operations that add zeros."""

MAX_ORIGINS = 16
"""The largest number of tensors that are remembered of one value, which may be put together of any number."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredArray:
    """A stored tensor; of ConstantOfShape, what it fills with."""

    name: str
    array: Array

    def count_nonfinite(self) -> int:
        return int(np.isinf(self.array).sum())


Origin: TypeAlias = StoredArray | int
"""The place that numbers come from: a stored tensor, or the operand of that number of the function that is looked
at."""


@dataclass(frozen=True, slots=True)
class _Value:
    """The origins of a value; `whole` where it holds nothing else."""

    origins: tuple[Origin, ...]
    whole: bool


NOTHING = _Value((), False)
Known: TypeAlias = "ChainMap[str, _Value]"


Factors: TypeAlias = dict[Origin, str]
"""The places whose numbers are multiplied by, each with the first node that does so."""


@dataclass(frozen=True, slots=True)
class _Summary:
    """The results of a function, and which of its operands it multiplies by."""

    outputs: tuple[_Value, ...]
    factors: Factors


def check_stored(inside: ModelInside, facts: ModelFacts) -> Check:
    """Check whether the stored numbers are finite; where they are infinite, whether anything multiplies by them; and
    whether every variance has a root."""
    count = f"{facts.stored:,} stored tensors of {facts.numbers:,} numbers"
    name, kind = inside.find_nonfinite() or (None, None)
    if kind == "NaN":
        return Check("numbers", "failed", f"{name} holds NaN")
    multiplied = _find_multiplied(inside)
    if multiplied:
        return Check("numbers", "failed", _describe_multiplied(multiplied))
    rootless = next(_find_rootless(inside), None)
    if rootless is not None:
        return Check("numbers", "failed", rootless)
    if name is not None:
        return Check("numbers", "noted", f"{count}; {name} holds infinite numbers, as masks do")
    return Check("numbers", "passed", f"{count}, all finite")


def _describe_multiplied(found: Mapping[StoredArray, str]) -> str:
    (tensor, node), *others = found.items()
    more = f"; {tell_count(len(others), 'other tensor')} alike" if others else ""
    return (
        f"{tensor.count_nonfinite():,} of {tensor.array.size:,} numbers of '{tensor.name}' are infinite, and {node} "
        f"multiplies by them: with zero that is NaN, and no mask is multiplied by{more}"
    )


def _find_rootless(inside: ModelInside) -> Iterator[str]:
    """A sentence for each stored variance to divide by whose root there is nothing: a channel is never finite then."""
    for node in inside.model.graph.node:
        if node.op_type == "BatchNormalization" and node.input[VARIANCE] in inside.tensors:
            variance = inside.take(node.input[VARIANCE])
            epsilon = read_attribute(node, "epsilon", EPSILON)
            none = int(np.sum(variance + variance.dtype.type(epsilon) <= 0))
            if none:
                yield (
                    f"{none:,} of {variance.size:,} variances '{node.input[VARIANCE]}' of {describe_node(node)} are "
                    f"below zero, or zero, with its epsilon of {epsilon:.3g} added: no input gives a finite number "
                    "there"
                )


def _find_multiplied(inside: ModelInside) -> dict[StoredArray, str]:
    """The infinite stored tensors that a node multiplies by, and the first such node of each."""
    factors = _Tracer(inside).trace()
    return {
        origin: node
        for origin, node in factors.items()
        if isinstance(origin, StoredArray) and not is_finite(origin.array)
    }


class _Tracer:
    """Follows stored tensors to what multiplies by them. What a loop hands on to its next turn is not followed."""

    def __init__(self, inside: ModelInside) -> None:
        self.inside = inside
        self._summaries: dict[tuple[str, str, str], _Summary] = {}

    def trace(self) -> Factors:
        """Find what the model multiplies by; its functions are looked at once, however often they are called."""
        found: Factors = {}
        for function in _sort_functions(self.inside.model):
            known: Known = ChainMap({name: _Value((place,), False) for place, name in enumerate(function.input)})
            factors = _collect(self._trace_nodes(function.node, known))
            outputs = tuple(known.get(name, NOTHING) for name in function.output)
            self._summaries[function.domain, function.name, function.overload] = _Summary(outputs, factors)
            found |= factors
        graph = self.inside.model.graph
        stored = [StoredArray(tensor.name, self.inside.take(tensor.name)) for tensor in graph.initializer]
        known = ChainMap({item.name: _Value((item,), True) for item in stored})
        return found | _collect(self._trace_nodes(graph.node, known))

    def _trace_nodes(self, nodes: Iterable[onnx.NodeProto], known: Known) -> Iterator[tuple[Origin, str]]:
        """Adds what nodes give to what is known, and yields what they multiply by."""
        for node in nodes:
            operands = [known.get(name, NOTHING) for name in node.input]
            summary = self._summaries.get(_key_called(node))
            if summary is not None:
                for place in summary.factors:
                    if isinstance(place, int):
                        bound = _bind_origin(place, operands).origins
                        yield from ((origin, summary.factors[place]) for origin in bound)
                _learn(known, node, [_bind(value, operands) for value in summary.outputs])
                continue
            scaled = _list_scaled(node, operands)
            value = _merge(scaled) if scaled else _follow(node, operands)
            _learn(known, node, [value] * len(node.output))
            factors = [value for value in _list_factors(node, operands) if value not in scaled]
            yield from ((origin, describe_node(node)) for value in factors for origin in value.origins)
            for graph in find_graphs(node):
                yield from self._trace_graph(node, graph, operands, known)

    def _trace_graph(
        self, node: onnx.NodeProto, graph: onnx.GraphProto, operands: list[_Value], known: Known
    ) -> Iterator[tuple[Origin, str]]:
        """Trace a branch or body, which sees what is around it, and whose results are those of its node."""
        given = zip(graph.input, operands, strict=False)  # at first: they may be others at a later turn
        within = known.new_child({item.name: _Value(value.origins, False) for item, value in given})
        for tensor in graph.initializer:
            if not is_external(tensor):
                stored = StoredArray(f"{node.name or node.op_type}.{tensor.name}", numpy_helper.to_array(tensor))
                within[tensor.name] = _Value((stored,), True)
        yield from self._trace_nodes(graph.node, within)
        first = 1 if node.op_type == "Loop" else 0  # the condition, which it keeps to itself
        results = [within.get(item.name, NOTHING) for item in graph.output[first:]]
        merged = [_merge([known.get(name, NOTHING), value]) for name, value in zip(node.output, results, strict=False)]
        _learn(known, node, merged)


def _list_factors(node: onnx.NodeProto, operands: list[_Value]) -> list[_Value]:
    """The operands that a node multiplies by each other."""
    places = FACTORS.get(node.op_type, ()) if len(operands) > 1 else ()
    return [operands[place] for place in places if place < len(operands)]


def _list_scaled(node: onnx.NodeProto, operands: list[_Value]) -> list[_Value]:
    """The operands of a Mul of which the other one is never zero: where they are infinite, so is the product."""
    pairs = zip(operands, reversed(operands), strict=True) if node.op_type == "Mul" else ()
    return [value for value, other in pairs if _is_never_zero(other)]


def _follow(node: onnx.NodeProto, operands: list[_Value]) -> _Value:
    """Find what a node gives that only moves stored numbers; nothing of any other."""
    constants = [StoredArray(name, numpy_helper.to_array(tensor)) for name, tensor in read_constant(node)]
    if node.op_type == "ConstantOfShape" and (fill := read_attribute(node, "value")) is not None:
        constants.append(StoredArray(node.output[0], numpy_helper.to_array(fill)))
    if constants:
        return _Value((constants[0],), True)
    kept = node.op_type != "Cast" or read_attribute(node, "to") in (*HALVES, TensorProto.FLOAT, TensorProto.DOUBLE)
    if node.op_type in MOVES and kept:
        return _merge(operands if node.op_type == "Concat" else operands[:1])
    return _Value(_merge(operands[:1]).origins, False) if node.op_type in FILLS else NOTHING


def _is_never_zero(value: _Value) -> bool:
    """Tell whether a value holds stored numbers alone, and no zero among them: a sign or a scale."""
    return value.whole and all(isinstance(origin, StoredArray) and origin.array.all() for origin in value.origins)


def _merge(values: list[_Value]) -> _Value:
    origins = dict.fromkeys(origin for value in values for origin in value.origins)
    whole = 0 < len(origins) <= MAX_ORIGINS and all(value.whole for value in values)
    return _Value(tuple(origins)[:MAX_ORIGINS], whole)


def _learn(known: Known, node: onnx.NodeProto, values: list[_Value]) -> None:
    known.update({name: value for name, value in zip(node.output, values, strict=False) if name and value.origins})


def _bind(value: _Value, operands: list[_Value]) -> _Value:
    """A value that a function gives, where it is called with these operands."""
    parts = [_bind_origin(origin, operands) for origin in value.origins]
    return _Value(_merge(parts).origins, value.whole)


def _bind_origin(origin: Origin, operands: list[_Value]) -> _Value:
    if isinstance(origin, StoredArray):
        return _Value((origin,), True)
    return operands[origin] if origin < len(operands) else NOTHING


def _collect(factors: Iterable[tuple[Origin, str]]) -> Factors:
    found: Factors = {}
    for origin, node in factors:
        found.setdefault(origin, node)
    return found


def _key_called(node: onnx.NodeProto) -> tuple[str, str, str]:
    """Domain, name and overload of a node's operation, as functions have them."""
    return node.domain, node.op_type, node.overload


def _sort_functions(model: onnx.ModelProto) -> list[onnx.FunctionProto]:
    """The functions of a model, each behind those that it calls; none where they call each other in a circle."""
    functions = {(function.domain, function.name, function.overload): function for function in model.functions}
    calls = {
        key: {_key_called(node) for node in walk_nodes(function.node)} & functions.keys()
        for key, function in functions.items()
    }
    try:
        return [functions[key] for key in TopologicalSorter(calls).static_order()]
    except CycleError:
        return []
