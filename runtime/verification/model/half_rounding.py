"""A model of half precision as a GPU computes it, on a processor that does not: each node in fp32, its result rounded.

ONNX Runtime's CPU provider has no kernels for bfloat16 at all. Of a float16 model it computes whole stretches in fp32,
without rounding between the nodes, so that what overflows on a GPU is finite there.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

from archspec.extras import extra
from runtime.session.model_file import ModelFile, WeightPlace
from runtime.session.session import Session

with extra("run"):
    import onnx
    from onnx import TensorProto

HALVES: dict[int, str] = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16"}
Kinds = dict[str, int]


def find_half(file: ModelFile) -> str | None:
    """Find the type of a model of half precision: float16 or bfloat16; None for a model without half precision."""
    kinds = find_halves(file.head, file.weights)
    return HALVES[next(iter(kinds.values()))] if kinds else None


def round_nodes(model: onnx.ModelProto, kinds: Kinds | None = None) -> onnx.ModelProto:
    """Make of a model its twin: every node reads fp32, and what it gives is rounded to the type it had and back.

    Values keep their names, inputs and outputs too, and become float32.
    """
    kinds = find_halves(model) if kinds is None else kinds
    graph = model.graph
    nodes: list[onnx.NodeProto] = []
    widened: dict[str, str] = {}
    for tensor in graph.initializer:
        if tensor.name in kinds:
            widened[tensor.name] = f"{tensor.name}|wide"
            nodes.append(_cast(tensor.name, widened[tensor.name], TensorProto.FLOAT))
    for item in graph.input:
        if item.name in kinds:
            widened[item.name] = f"{item.name}|wide"
            nodes += _round(item.name, widened[item.name], kinds[item.name])
    for node in graph.node:
        nodes += _widen(node, widened, kinds)
    for item in (*graph.input, *graph.output):
        if item.name in kinds:
            item.type.tensor_type.elem_type = TensorProto.FLOAT
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return model


class RoundedSession(Session):
    """A session on a model of half precision in which every result is rounded. Its inputs and outputs are float32."""

    rewrites = (round_nodes,)


def _widen(node: onnx.NodeProto, widened: dict[str, str], kinds: Kinds) -> list[onnx.NodeProto]:
    """A node that reads and gives fp32, and what rounds its results."""
    wide = deepcopy(node)
    wide.input[:] = [widened.get(name, name) for name in node.input]
    wide.output[:] = [name_raw(name) if name in kinds else name for name in node.output]
    halves = [name for name in node.output if name in kinds]
    return [wide, *(step for name in halves for step in _round(name_raw(name), name, kinds[name]))]


def _round(value: str, result: str, kind: int) -> list[onnx.NodeProto]:
    return [_cast(value, f"{result}|half", kind), _cast(f"{result}|half", result, TensorProto.FLOAT)]


def _cast(value: str, result: str, kind: int) -> onnx.NodeProto:
    return onnx.helper.make_node("Cast", [value], [result], name=f"{result}|cast", to=kind)


def name_raw(name: str) -> str:
    """The twin's name of a value before it is rounded."""
    return f"{name}|raw"


def find_halves(model: onnx.ModelProto, weights: Sequence[WeightPlace] = ()) -> Kinds:
    """The values of half precision and their types."""
    return {name: kind for name, kind in find_kinds(model, weights).items() if kind in HALVES}


def find_kinds(model: onnx.ModelProto, weights: Sequence[WeightPlace] = ()) -> Kinds:
    """ONNX's number for the type of each value, as far as it can be known; stored tensors among them, and the `weights`
    that were left in the file."""
    graph = model.graph
    stored = [onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims) for item in graph.initializer]
    stored += [onnx.helper.make_tensor_value_info(item.name, item.kind, item.shape) for item in weights]
    # Without the weights' bytes, which have no say in types and may be more than protobuf's 2 GiB.
    bare = onnx.helper.make_model(
        onnx.helper.make_graph(graph.node, "types", [*graph.input, *stored], graph.output),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    inferred = onnx.shape_inference.infer_shapes(bare).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}
