"""A float model → the same with layers in integers of eight bits, written with QuantizeLinear and DequantizeLinear.

Runtimes replace a layer between the two by one that computes in integers. So a value is quantized where it is made,
and dequantized for whoever reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.onnx_file.metadata import PRECISION
from compiler.onnx_file.nodes import read_attribute
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme, quantize_layer
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.passes.weight_arrays import WeightArray

LAYERS: Mapping[Int8Recipe, frozenset[str]] = MappingProxyType(
    {
        "u8s8": frozenset({"Conv", "Gemm", "MatMul", "BatchNormalization"}),
        "s8s8": frozenset({"Conv", "Gemm", "MatMul"}),
    }
)
"""The operations that multiply by weights. A transposed convolution has no kernel in integers on CPUs, and stays float;
a BatchNorm that no layer could take has none either, and becomes a convolution of each channel alone with one
weight."""

GIVE_FLOATS = frozenset({"Gemm", "MatMul"})
"""The layers whose kernels in integers give floating-point numbers."""

OUT_AXIS = MappingProxyType({"MatMul": 1})
"""The axis of the output channels in a layer's weight, where it is not the first."""

ROUNDED_BY_RUNTIME = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""The operations that ONNX Runtime (seen in 1.31) rounds by a rule of its own where they stand in float between two
integers."""

SHAPES = frozenset({"MaxPool", "Resize", "Flatten", "Reshape"})
"""The operations that only move numbers: their result has their input's scale."""

MERGES = frozenset({"Add", "Mul", "Concat"})

FOLLOWERS = SHAPES | MERGES | {"AveragePool", "GlobalAveragePool", "Sigmoid", "LeakyRelu"}
"""The operations that have a kernel in integers on CPUs, and take it where their operands are integers anyway."""


@dataclass(frozen=True, slots=True)
class QuantizationPlan:
    """A plan of what becomes integers: `layers` are computed in them; `values` are quantized where they are made; of
    these, the ones in `same` have the scale of another."""

    layers: tuple[str, ...]
    values: tuple[str, ...]
    same: Mapping[str, str]

    def scaled_as(self, value: str) -> str:
        """Find the value whose scale a value has: mostly its own."""
        return self.same.get(value, value)

    @property
    def scaled(self) -> frozenset[str]:
        """The values that have scales of their own."""
        return frozenset(map(self.scaled_as, self.values))

    def digest(self) -> str:
        """Compute the SHA-256 of what becomes integers, by names."""
        rows = [self.layers, [(value, self.scaled_as(value)) for value in self.values]]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def plan_quantization(
    model: OnnxModel, recipe: Int8Recipe, kept: frozenset[str] = frozenset(), floats: frozenset[str] = frozenset()
) -> QuantizationPlan:
    """Choose the layers of a float model, by id, and its values that become integers; the layers of `kept` do not, and
    neither do the values of `floats`, with whoever computes in their integers.

    `u8s8`: inputs and results of layers, and what lies between these in operations that have integer kernels.
    `s8s8`, as TensorRT wants it: inputs of layers, and of an addition the operand that is not a layer's own result,
    with which TensorRT fuses it.
    """
    wiring = _Wiring(model)
    layers = {
        node.name: node
        for node in wiring.nodes
        if wiring.is_layer(node, recipe) and node.name not in kept and floats.isdisjoint(wiring.ends(node, recipe))
    }
    values = {end for node in layers.values() for end in wiring.ends(node, recipe)}
    same: dict[str, str] = {}
    if recipe == "s8s8":
        for node in wiring.nodes:
            values.update(_residual_operands(node, wiring, layers))
        values -= floats
    else:
        for node in wiring.nodes:
            operands, output = wiring.operands(node), wiring.quantized_output(node)
            if wiring.follows(node, values) and floats.isdisjoint((*operands, output)):
                values |= {*operands, output}
                if node.op_type in SHAPES and output == node.output[0]:
                    same[node.output[0]] = same.get(node.input[0], node.input[0])
    return QuantizationPlan(tuple(layers), tuple(value for value in wiring.values if value in values), same)


def quantize_model(model: OnnxModel, scheme: Scheme, metadata: Mapping[str, str] | None = None) -> OnnxModel:
    """Put the layers and values of a float model in integers, and its metadata with that of the argument.

    The same model and scheme give the same bytes.
    """
    plan = plan_quantization(model, scheme.recipe, scheme.kept, scheme.floats)
    writer = _NodeWriter(model, scheme, plan)
    head = deepcopy(model.head)
    nodes = list(writer.rewrite())
    del head.graph.node[:]
    head.graph.node.extend(nodes)
    facts = {**model.metadata, **PRECISION.write("int8"), **(metadata or {})}
    onnx.helper.set_model_props(head, dict(sorted(facts.items())))
    return replace(model, head=head, tensors=writer.list_tensors(nodes))


class _Wiring:
    """The maker and the readers of each value of a model."""

    def __init__(self, model: OnnxModel) -> None:
        graph = model.head.graph
        self.graph, self.tensors = model.graph, model.tensors
        self.nodes: Sequence[onnx.NodeProto] = tuple(graph.node)
        self.outputs = frozenset(value.name for value in graph.output)
        self.producers = {value: node for node in self.nodes for value in node.output if value}
        self.values = (*(value.name for value in graph.input), *self.producers)
        self.readers: dict[str, list[onnx.NodeProto]] = {value: [] for value in self.values}
        for node in self.nodes:
            for name in node.input:
                if name in self.readers:
                    self.readers[name].append(node)
        reads = Counter(name for node in self.nodes for name in node.input if name in self.tensors)
        self.shared = frozenset(name for name, times in reads.items() if times > 1)

    def is_layer(self, node: onnx.NodeProto, recipe: Int8Recipe) -> bool:
        """True if an operation is a layer that could be computed in integers: its weights are stored."""
        stored = node.op_type in LAYERS[recipe] and all(name in self.tensors for name in node.input[1:])
        return stored and (node.op_type != "BatchNormalization" or self.graph[node.name].shape.rank > 0)

    def ends(self, node: onnx.NodeProto, recipe: Int8Recipe) -> tuple[str, ...]:
        """The values whose integers a layer computes with."""
        gives = recipe == "u8s8" and node.op_type not in GIVE_FLOATS
        return (node.input[0], *([self.quantized_output(node)] if gives else ()))

    def quantized_output(self, node: onnx.NodeProto) -> str:
        """The value that an operation's integers are of: its own, or what a ReLU makes of it that alone reads it.

        Such a ReLU costs nothing: the integers end where it cuts.
        """
        value: str = node.output[0]
        readers = self.readers[value]
        if len(readers) == 1 and value not in self.outputs and self._cuts_at_zero(readers[0]):
            return str(readers[0].output[0])
        return value

    def follows(self, node: onnx.NodeProto, values: set[str]) -> bool:
        """True if an operation takes integers: all its operands are, or, of what merges several, some and the result.
        What it gives to the world outside stays float."""
        operands = self.operands(node)
        stored = any(name and name not in self.readers for name in node.input)
        if node.op_type not in FOLLOWERS or node.output[0] in self.outputs or (stored and node.op_type not in SHAPES):
            return False
        if node.op_type == "Resize" and read_attribute(node, "mode") != b"nearest":
            return False
        between = self.quantized_output(node) in values and not values.isdisjoint(operands)
        return values.issuperset(operands) or (node.op_type in MERGES and between)

    def operands(self, node: onnx.NodeProto) -> list[str]:
        """The values that a node reads: no stored tensors."""
        return [name for name in node.input if name in self.readers]

    def _cuts_at_zero(self, node: onnx.NodeProto) -> bool:
        if node.op_type == "Clip" and len(node.input) > 1:
            low = self.tensors.get(node.input[1])
            return low is not None and float(np.asarray(low)) == 0
        return bool(node.op_type == "Relu")


def _residual_operands(node: onnx.NodeProto, wiring: _Wiring, layers: Collection[str]) -> list[str]:
    """The operands of an addition but the first that is a layer's result, which no one else reads; none where no
    operand is."""
    if node.op_type != "Add" or any(name not in wiring.readers for name in node.input):
        return []
    for place, name in enumerate(node.input):
        producer = wiring.producers.get(name)
        if producer is not None and producer.name in layers and len(wiring.readers[name]) == 1:
            return [str(other) for number, other in enumerate(node.input) if number != place]
    return []


class _NodeWriter:
    """Writes a model's nodes anew, with those between integers and floats, and collects what they store."""

    def __init__(self, model: OnnxModel, scheme: Scheme, plan: QuantizationPlan) -> None:
        self.model, self.scheme, self.wiring = model, scheme, _Wiring(model)
        self.layers = frozenset(plan.layers)
        self.params = {value: scheme.quant_params(plan.scaled_as(value)) for value in plan.values}
        self.outputs = frozenset(value.name for value in model.head.graph.output)
        self.tensors: dict[str, WeightArray] = {}

    def rewrite(self) -> Iterator[onnx.NodeProto]:
        graph = self.model.head.graph
        for value in graph.input:
            if value.name in self.params:
                yield from self._round_value(value.name, value.name)
        for node in graph.node:
            yield from self._rewrite_node(node)

    def list_tensors(self, nodes: Sequence[onnx.NodeProto]) -> dict[str, WeightArray]:
        """The stored tensors that the nodes read, in the order in which they do."""
        stored = {**self.model.tensors, **self.tensors}
        return {name: stored[name] for node in nodes for name in node.input if name in stored}

    def _rewrite_node(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        copy = deepcopy(node)
        if node.name in self.layers:
            if node.op_type == "BatchNormalization":
                self._become_convolution(copy)
            yield from self._store_layer(copy)
        copy.input[:] = [self._read(name) for name in copy.input]
        if node.op_type in ROUNDED_BY_RUNTIME and node.name not in self.layers:
            yield from self._shield(node, copy)
        result = node.output[0]
        if result not in self.params:
            yield copy
            return
        copy.output[0] = f"{result}.float" if result in self.outputs else result
        yield copy
        yield from self._round_value(copy.output[0], result)

    def _shield(self, node: onnx.NodeProto, copy: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """Keep ONNX Runtime from rounding a float layer's weights: with a clip behind its dequantized input, which
        changes no number, it sees no integers there."""
        if node.input[0] in self.params and self.wiring.quantized_output(node) in self.params:
            ends = (
                self._store(f"{node.name}.{name}", end)
                for name, end in zip(("lowest", "highest"), self.params[node.input[0]].ends, strict=True)
            )
            shielded = f"{node.name}.shielded"
            yield onnx.helper.make_node("Clip", [copy.input[0], *ends], [shielded], name=shielded)
            copy.input[0] = shielded

    def _read(self, value: str) -> str:
        """The name under which a value is read: an output of the model is itself what was dequantized."""
        return f"{value}.rounded" if value in self.params and value not in self.outputs else value

    def _round_value(self, source: str, value: str) -> Iterator[onnx.NodeProto]:
        params = self.params[value]
        parts = [self._store(f"{value}.scale", params.scale), self._store(f"{value}.zero_point", params.zero_point)]
        integers = f"{value}.integers"
        yield onnx.helper.make_node("QuantizeLinear", [source, *parts], [integers], name=f"{value}.quantize")
        yield self._dequantize(value, [integers, *parts], self._read(value))

    def _become_convolution(self, norm: onnx.NodeProto) -> None:
        """Write (x - μ) γ/σ + β as a convolution of each channel alone, whose only weight is exact in integers."""
        gamma, beta, mean, variance = (np.asarray(self.model.tensors[name], np.float64) for name in norm.input[1:])
        factor = gamma / np.sqrt(variance + read_attribute(norm, "epsilon"))
        kernel_shape = [1] * self.model.graph[norm.name].shape.rank
        names = [f"{norm.name}.factor", f"{norm.name}.term"]
        self._store(names[0], factor.reshape(-1, 1, *kernel_shape))
        self._store(names[1], beta - mean * factor)
        written = onnx.helper.make_node(
            "Conv",
            [norm.input[0], *names],
            norm.output,
            name=norm.name,
            kernel_shape=kernel_shape,
            group=len(factor),
        )
        norm.CopyFrom(written)

    def _store_layer(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        """The nodes that give a layer's weight and bias; the layer reads them."""
        weight, *biases = node.input[1:]
        array = np.asarray(self._find(weight))
        axis = OUT_AXIS.get(node.op_type, 0)
        bias = np.asarray(self._find(biases[0])) if biases else None
        kernel = np.moveaxis(array, axis, 0)
        layer = quantize_layer(kernel, bias, self.params[node.input[0]].scale, self.scheme.weight_limit)
        integers = np.moveaxis(layer.weight, 0, axis)
        node.input[1] = yield from self._store_rounded(node, weight, integers, layer.scale, axis)
        # Left in float, it is rounded so by ONNX Runtime's CPU provider itself, and must fit all the same.
        if layer.bias is not None and layer.bias_scale is not None and self.scheme.recipe == "u8s8":
            node.input[2] = yield from self._store_rounded(node, biases[0], layer.bias, layer.bias_scale)

    def _find(self, name: str) -> WeightArray:
        return self.tensors[name] if name in self.tensors else self.model.tensors[name]

    def _store_rounded(
        self, node: onnx.NodeProto, name: str, integers: NDArray[Any], scale: NDArray[np.float32], axis: int = 0
    ) -> Generator[onnx.NodeProto, None, str]:
        """The node that gives a layer's stored tensor, and the name of what it gives. Of layers that share the tensor
        the first stores its integers beside it, for it may stay float elsewhere; another one takes them where its own
        are the same, and else stores these."""
        name = f"{name}.integers" if name in self.wiring.shared else name
        if f"{name}.scale" in self.tensors:
            stored = self.tensors[name], self.tensors[f"{name}.scale"]
            if all(np.array_equal(old, new) for old, new in zip(stored, (integers, scale), strict=True)):
                return f"{name}.rounded"
            name = f"{node.name}.{name.removesuffix('.integers').rpartition('.')[2]}"
        zeros = np.zeros(len(scale), integers.dtype)
        parts = [
            self._store(name, integers),
            self._store(f"{name}.scale", scale),
            self._store(f"{name}.zero_point", zeros),
        ]
        yield self._dequantize(name, parts, f"{name}.rounded", axis=axis)
        return f"{name}.rounded"

    def _dequantize(self, name: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return onnx.helper.make_node("DequantizeLinear", inputs, [output], name=f"{name}.dequantize", **attributes)

    def _store(self, name: str, array: Any) -> str:
        self.tensors[name] = np.asarray(array)
        return name
