"""One node of a model in double precision, by onnx's reference implementation, which asks for no types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archspec.errors import ArchspecError
from runtime.extras import extra
from runtime.failures import shorten
from runtime.rounding import HALVES
from runtime.verification.witness import MOST_MACS, find_fault

with extra("run"):
    import onnx
    from onnx import TensorProto, numpy_helper
    from onnx.reference import ReferenceEvaluator

    from compiler.content import find_tensors
    from compiler.onnx_source.order import walk_nodes

FRACTIONS = frozenset({*HALVES, TensorProto.FLOAT, TensorProto.DOUBLE})


def compute_wide(
    model: onnx.ModelProto, node: onnx.NodeProto, operands: Mapping[str, Any], work: int
) -> dict[str, Any]:
    """The results of a node of a model, by name, for these operands; every fraction is of double precision.

    Raises ArchspecError where the reference implementation has not the operation, or computes it wrongly, or takes too
    long for that much work.
    """
    if work > MOST_MACS:
        raise ArchspecError(
            f"it is too large, with the work of {work:,} multiply-accumulates where onnx.reference is asked for "
            f"{MOST_MACS:,} at most: choose smaller sizes, if it takes such"
        )
    alone = _isolate(model, node, operands)
    problem = find_fault(alone)
    if problem:
        raise ArchspecError(problem)
    feed = {name: _widen_value(value) for name, value in operands.items()}
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(alone).run(None, feed)
    except Exception as error:  # of whatever kind an operation of numpy raises
        raise ArchspecError(f"onnx.reference failed: {shorten(error)}") from error
    return dict(zip([name for name in node.output if name], found, strict=True))


def _isolate(model: onnx.ModelProto, node: onnx.NodeProto, operands: Mapping[str, Any]) -> onnx.ModelProto:
    """A model of one node, what it holds widened."""
    alone = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = alone.graph
    graph.name = "node"
    graph.node.append(node)
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in operands)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    for inner in walk_nodes([*graph.node, *(inner for function in alone.functions for inner in function.node)]):
        for item in inner.attribute if inner.op_type == "Cast" else ():
            if item.name == "to" and item.i in FRACTIONS:
                item.i = TensorProto.DOUBLE
    for tensor in find_tensors(alone):
        if tensor.data_type in FRACTIONS:
            wide = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    return alone


def _widen_value(value: Any) -> Any:
    """An array, or a sequence of them; bfloat16 is of no kind that numpy knows."""
    if isinstance(value, list):
        return [_widen_value(item) for item in value]
    fractions = value is not None and (value.dtype.kind == "f" or value.dtype.name == "bfloat16")
    return value.astype(np.float64) if fractions else value
