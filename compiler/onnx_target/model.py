"""Graph and weights → an ONNX model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from archspec.errors import ArchspecError
from archspec.ops import Op
from compiler.graph import Graph
from compiler.onnx_target.emitter import Emitter
from compiler.onnx_target.rules import RULES, OnnxRule
from compiler.passes.base import Arrays, run_passes
from compiler.passes.fold_batch_norm import FoldBatchNorm
from compiler.passes.fold_weight_norm import FoldWeightNorm
from compiler.passes.take_expectation import TakeExpectation
from compiler.sizes import Accepted, accepted_sizes
from compiler.table import Table

OPSET, IR_VERSION = 17, 8
"""What ONNX Runtime has run well since 1.16; with opset 22 and up some versions lose fused convolutions."""

PASSES = (TakeExpectation(), FoldWeightNorm(), FoldBatchNorm())


def build_model(
    graph: Graph,
    weights: Arrays,
    *,
    metadata: Mapping[str, str] | None = None,
    rules: Mapping[type[Op], OnnxRule] | None = None,
) -> ir.Model:
    """The ONNX model of a graph with these weights, for inference.

    The batch is dynamic, and so is every named size that no weight depends on. The same graph and weights give the same
    model to the byte. Raises ArchspecError where the weights do not fit, or are not finite.
    """
    given = {name: np.asarray(value, np.float32) for name, value in weights.items()}
    graph.check_weights({name: array.shape for name, array in given.items()})
    for name, array in given.items():
        if not np.isfinite(array).all():
            raise ArchspecError(f"the weights of {graph.name} are not finite: {name} holds inf or nan")
    accepted = accepted_sizes(graph)
    facts = describe(graph, given, accepted) | dict(metadata or {})
    network, arrays = run_passes(PASSES, graph, given)
    model = ir.Model(
        _emit(network, arrays, accepted, RULES.extended(rules or {})), ir_version=IR_VERSION, producer_name="archspec"
    )
    model.metadata_props.update(sorted(facts.items()))
    return model


def describe(graph: Graph, arrays: Arrays, accepted: Mapping[str, Accepted]) -> dict[str, str]:
    """What the file says of itself: name, hashes of the network and of its weights, accepted sizes."""
    sizes = {name: rule.to_dict() for name, rule in accepted.items()}
    return {
        "archspec.name": graph.name,
        "archspec.graph": graph.digest(),
        "archspec.weights": _digest(arrays),
        "archspec.sizes": json.dumps(sizes, sort_keys=True),
    }


def _emit(graph: Graph, arrays: Arrays, accepted: Mapping[str, Accepted], table: Table[OnnxRule]) -> ir.Graph:
    emit = Emitter(graph, arrays)
    shapes = _named_shapes(graph, accepted)
    values = {name: _value(name, shapes[name]) for name in graph.inputs}
    inputs = list(values.values())
    for node in graph:
        if node.id not in values:
            emit.begin(node)
            operands = [values[operand] for operand in node.inputs]
            values[node.id] = emit.finish(table[type(node.op)](node.op, emit, *operands))
    outputs = [_output(name, values[id], shapes[id], emit) for name, id in graph.outputs.items()]
    return ir.Graph(
        inputs,
        outputs,
        nodes=emit.nodes,
        initializers=list(emit.initializers.values()),
        opset_imports={"": OPSET},
        name=graph.name,
    )


def _output(name: str, value: ir.Value, shape: list[int | str], emit: Emitter) -> ir.Value:
    """An output under its own name: the value itself, or a copy where that is an input or another output."""
    if value.producer() is None or value.shape is not None:
        copy = ir.Value()
        emit.nodes.append(ir.node("Identity", [value], outputs=[copy], name=f"{name}.output"))
        value = copy
    value.name, value.type, value.shape = name, ir.TensorType(ir.DataType.FLOAT), ir.Shape(shape)
    return value


def _value(name: str, shape: list[int | str]) -> ir.Value:
    return ir.Value(name=name, type=ir.TensorType(ir.DataType.FLOAT), shape=ir.Shape(shape))


def _named_shapes(graph: Graph, accepted: Mapping[str, Accepted]) -> dict[str, list[int | str]]:
    """Shapes with a batch axis; an extent that follows a dynamic size is that size's letter, or a name of its own."""
    rules = {name: rule for name, rule in accepted.items() if rule.dynamic}
    named: dict[str, list[int | str]] = {node.id: ["batch", *node.shape] for node in graph}
    for letter, rule in rules.items():
        larger = rule.value + rule.step
        for id, shape in graph.infer({letter: larger}).items():
            for axis, (now, then) in enumerate(zip(graph[id].shape, shape, strict=True)):
                if now != then:
                    same = (now, then) == (rule.value, larger)
                    named[id][axis + 1] = letter if same else f"{id}.{axis}"
    return named


def _digest(arrays: Arrays) -> str:
    """SHA-256 of the weights: names, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
