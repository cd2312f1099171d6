"""Graph and weights → an ONNX model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx

from archspec.errors import ArchspecError
from archspec.finite import is_finite
from archspec.ops import Op
from compiler.graph import Graph
from compiler.onnx_file.digest import XXH3
from compiler.onnx_file.metadata import GRAPH, NAME, PRECISION, ROWS, SIZES, TARGET, WEIGHTS
from compiler.onnx_target.emitter import Emitter, ModelEmitter, OnnxValue
from compiler.onnx_target.formats import FLOAT32, choose_format
from compiler.onnx_target.onnx_model import OnnxModel, as_bytes
from compiler.onnx_target.options import PLAIN, ExportOptions
from compiler.onnx_target.pipeline import choose_passes
from compiler.onnx_target.rows import choose_rows
from compiler.onnx_target.rules import RULES, OnnxRule
from compiler.onnx_target.shapes import NamedShape, name_shapes
from compiler.onnx_target.window_rows import choose_windows
from compiler.passes.base import run_passes
from compiler.passes.cast_weights import CastWeights, cast
from compiler.passes.weight_arrays import WeightArrays
from compiler.rule_table import RuleTable
from compiler.sizes.accepted_sizes import accepted_sizes


def build_model(
    graph: Graph,
    weights: WeightArrays,
    *,
    metadata: Mapping[str, str] | None = None,
    rules: Mapping[type[Op], OnnxRule] | None = None,
    options: ExportOptions = PLAIN,
) -> OnnxModel:
    """Build the ONNX model of a graph with these weights, for inference.

    The batch is dynamic, and so is every named size of which other values fit the weights. The same graph and weights
    give the same model to the byte. Raises ArchspecError where the weights do not fit, are not finite, or are infinite
    in the type that `options` choose.
    """
    graph.check_weights({name: np.shape(value) for name, value in weights.items()})
    given = {name: _round(np.asarray(value), f"the weight '{name}'") for name, value in weights.items()}
    form = choose_format(options.float_precision, {node.op.kind for node in graph})
    outside = form.dtype if options.io == "same" else FLOAT32
    casts = () if form.dtype == FLOAT32 else (CastWeights(form.dtype),)
    accepted = accepted_sizes(graph)
    network, arrays, steps = run_passes((*choose_passes(options), *casts), graph, given)
    rows = choose_rows(network)
    named, windows = name_shapes(network, accepted), choose_windows(network, rows)
    model = ModelEmitter(network, arrays, named, form.dtype, rows, form.opset, windows)
    written = _emit(model, RULES.extended(rules or {}), outside)
    head = onnx.helper.make_model(
        written,
        ir_version=form.ir_version,
        opset_imports=[onnx.helper.make_opsetid("", form.opset), *_list_others(written)],
        producer_name="archspec",
    )
    facts = {
        **NAME.write(graph.name),
        **GRAPH.write(graph.digest()),
        **WEIGHTS.write(digest_weights(given)),
        **SIZES.write(accepted),
        **(ROWS.write(graph.rows) if graph.rows else {}),
        **PRECISION.write(options.float_precision),
        **TARGET.write(options.target),
        **(metadata or {}),
    }
    onnx.helper.set_model_props(head, dict(sorted(facts.items())))
    return OnnxModel(head, model.tensors, network, steps, rows, model.name_results())


def _round(array: np.ndarray[Any, Any], what: str) -> np.ndarray[Any, Any]:
    """The array in float32, without a copy where it is. Raises ArchspecError where a number is not finite, or not in
    that type."""
    if not is_finite(array):
        raise ArchspecError(f"{what} holds infinite numbers or NaN")
    return array if array.dtype == FLOAT32 else cast(array, FLOAT32, what)


def digest_weights(arrays: WeightArrays) -> str:
    """Compute XXH3 of the weights: of names, shapes, and the XXH3 of the numbers of each."""
    whole = XXH3(b"")
    for name in sorted(arrays):
        whole.update(f"{name}{arrays[name].shape}".encode() + XXH3(as_bytes(arrays[name])).digest())
    return whole.digest().hex()


def _emit(model: ModelEmitter, table: RuleTable[OnnxRule], outside: np.dtype[Any]) -> onnx.GraphProto:
    """The graph, its inputs and outputs of the type `outside`, which may be another than that of its numbers."""
    graph, shapes = model.graph, model.shapes
    for node in graph:
        emit = Emitter(model, node)
        if node.id in graph.inputs:
            fed = OnnxValue(node.id)
            value = fed if outside == model.float_type or node.holds_integers else emit.cast(fed, model.float_type)
        else:
            operands = [model.read(id, emit.reads_rows(place)) for place, id in enumerate(node.inputs)]
            value = emit.finish(table[type(node.op)](node.op, emit, *operands))
        model.keep(node.id, value)
    given: set[OnnxValue] = set()
    for name, id in graph.outputs.items():
        given.add(_name_output(name, model.read(id, rows=False), given, outside, model))
    types = {name: np.dtype(node.type or outside) for name, node in graph.inputs.items()}
    inputs = [_describe_value(name, dtype, shapes[name]) for name, dtype in types.items()]
    outputs = [_describe_value(name, outside, shapes[id]) for name, id in graph.outputs.items()]
    outer = {*graph.inputs, *graph.outputs}
    inner = {name: shape for name, shape in model.list_values() if name not in outer}
    return onnx.helper.make_graph(
        [node.to_proto() for node in model.nodes],
        graph.name,
        inputs,
        outputs,
        value_info=[_describe_value(name, model.float_type, shape) for name, shape in inner.items()],
    )


def _list_others(written: onnx.GraphProto) -> list[onnx.OperatorSetIdProto]:
    """List the operator sets beside ONNX's own, all of which are at their first version."""
    return [onnx.helper.make_opsetid(domain, 1) for domain in sorted({node.domain for node in written.node} - {""})]


def _name_output(
    name: str, value: OnnxValue, given: set[OnnxValue], outside: np.dtype[Any], model: ModelEmitter
) -> OnnxValue:
    """Give an output its own name: to the value itself, or to a copy where that is an input or another output, or of
    another type."""
    if outside != model.float_type:
        kind = onnx.helper.np_dtype_to_tensor_dtype(outside)
        return model.append("Cast", f"{name}.output", [value], OnnxValue(name), to=kind)
    if value.producer is None or value in given:
        return model.append("Identity", f"{name}.output", [value], OnnxValue(name))
    value.name = name
    return value


def _describe_value(name: str, dtype: np.dtype[Any], shape: NamedShape) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(dtype), shape)
