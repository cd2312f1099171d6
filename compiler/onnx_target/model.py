"""Graph and weights → an ONNX model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import onnx

from archspec.errors import ArchspecError
from archspec.ops import Op
from compiler.graph import Graph
from compiler.onnx_target.built import OnnxModel
from compiler.onnx_target.emitter import Emitter, Value
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
) -> OnnxModel:
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
    network, arrays, steps = run_passes(PASSES, graph, given)
    emit = Emitter(network, arrays)
    head = onnx.helper.make_model(
        _emit(network, emit, accepted, RULES.extended(rules or {})),
        ir_version=IR_VERSION,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        producer_name="archspec",
    )
    onnx.helper.set_model_props(head, dict(sorted(facts.items())))
    return OnnxModel(head, emit.tensors, network, steps)


def describe(graph: Graph, arrays: Arrays, accepted: Mapping[str, Accepted]) -> dict[str, str]:
    """What the file says of itself: name, hashes of the network and of its weights, accepted sizes."""
    sizes = {name: rule.to_dict() for name, rule in accepted.items()}
    return {
        "archspec.name": graph.name,
        "archspec.graph": graph.digest(),
        "archspec.weights": _digest(arrays),
        "archspec.sizes": json.dumps(sizes, sort_keys=True),
    }


def _emit(graph: Graph, emit: Emitter, accepted: Mapping[str, Accepted], table: Table[OnnxRule]) -> onnx.GraphProto:
    shapes = _named_shapes(graph, accepted)
    values = {name: Value(name) for name in graph.inputs}
    inputs = [_describe_value(emit, name, shapes[name]) for name in values]
    for node in graph:
        if node.id not in values:
            emit.begin(node)
            operands = [values[operand] for operand in node.inputs]
            values[node.id] = emit.finish(table[type(node.op)](node.op, emit, *operands))
    given: set[Value] = set()
    for name, id in graph.outputs.items():
        given.add(_name_output(name, values[id], given, emit))
    outputs = [_describe_value(emit, name, shapes[id]) for name, id in graph.outputs.items()]
    return onnx.helper.make_graph([node.to_proto() for node in emit.nodes], graph.name, inputs, outputs)


def _name_output(name: str, value: Value, given: set[Value], emit: Emitter) -> Value:
    """Give an output its own name: to the value itself, or to a copy where that is an input or another output."""
    if value.producer is None or value in given:
        return emit.append("Identity", f"{name}.output", [value], Value(name))
    value.name = name
    return value


def _describe_value(emit: Emitter, name: str, shape: list[int | str]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(emit.float_type), shape)


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
