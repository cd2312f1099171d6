"""One node of a model in double precision, by onnx's reference implementation, which asks for no types.

It is heard where it gives in the file's own type what the file gives: else it computes something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archspec.errors import ArchspecError
from archspec.extras import extra
from runtime.session.failures import shorten
from runtime.verification.differences import LIMITS, compare
from runtime.verification.model.half_rounding import HALVES
from runtime.verification.witness.witness import MAX_MACS, find_fault

with extra("run"):
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    from compiler.onnx_file.nodes import list_nodes
    from compiler.onnx_file.tensors import find_tensors

WIDE = dict.fromkeys((*HALVES, TensorProto.FLOAT, TensorProto.DOUBLE), TensorProto.DOUBLE)
OWN = dict.fromkeys(HALVES, TensorProto.FLOAT)
"""The types that fractions become: in double precision, and in ONNX Runtime, which widens half precision."""


def compute_wide(
    model: onnx.ModelProto, node: onnx.NodeProto, operands: Mapping[str, Any], found: Mapping[str, Any], work: int
) -> dict[str, Any]:
    """The results of a node of a model, by name, for these operands; every fraction is of double precision. `found` are
    those of its results that have to be the same in the file's own type.

    Raises ArchspecError where the reference implementation has not the operation, or computes it wrongly, or takes too
    long for that much work.
    """
    if work > MAX_MACS:
        raise ArchspecError(
            f"it is too large, with the work of {work:,} multiply-accumulates where onnx.reference is asked for "
            f"{MAX_MACS:,} at most: choose smaller sizes, if it takes such"
        )
    kinds = {} if node.op_type == "Cast" else OWN  # which rounds where nothing else does
    own = _evaluate(_isolate(model, node, operands, kinds), _convert_all(operands, kinds))
    unlike = next((name for name, value in found.items() if not _is_alike(own[name], value)), None)
    if unlike is not None:
        raise ArchspecError(f"onnx.reference gives something else for '{unlike}' in the file's own type too")
    wide = _evaluate(_isolate(model, node, operands, WIDE), _convert_all(operands, WIDE))
    unlike = next((name for name, value in found.items() if not _has_form(wide[name], value)), None)
    if unlike is not None:
        raise ArchspecError(f"'{unlike}' has another shape there")
    return wide


def _evaluate(alone: onnx.ModelProto, feed: Mapping[str, Any]) -> dict[str, Any]:
    problem = find_fault(alone)
    if problem:
        raise ArchspecError(problem)
    try:
        with np.errstate(all="ignore"):
            found = ReferenceEvaluator(alone).run(None, dict(feed))
    except Exception as error:  # of whatever kind an operation of numpy raises
        raise ArchspecError(f"onnx.reference failed: {shorten(error)}") from error
    return dict(zip([item.name for item in alone.graph.output], found, strict=True))


def _is_alike(own: Any, found: Any) -> bool:
    """Tell whether arrays, or sequences of them, are finite at the same places, and near each other there."""
    if not _has_form(own, found):
        return False
    if isinstance(found, list):
        return all(map(_is_alike, own, found))
    finite = np.isfinite(found)
    return np.array_equal(finite, np.isfinite(own)) and compare(own[finite], found[finite]) <= LIMITS["float32"].numbers


def _has_form(value: Any, found: Any) -> bool:
    """Tell whether both are arrays of one shape, or sequences of such."""
    if isinstance(found, list):
        return isinstance(value, list) and len(value) == len(found) and all(map(_has_form, value, found))
    return isinstance(value, np.ndarray | np.generic) and value.shape == found.shape


def _isolate(
    model: onnx.ModelProto, node: onnx.NodeProto, operands: Mapping[str, Any], kinds: Mapping[int, int]
) -> onnx.ModelProto:
    """A model of one node, what it holds in the types that `kinds` names for its own."""
    alone = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = alone.graph
    graph.name = "node"
    graph.node.append(node)
    graph.input.extend(onnx.ValueInfoProto(name=name) for name in operands)
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name)
    for inner in list_nodes(alone):
        for item in inner.attribute if inner.op_type == "Cast" else ():
            if item.name == "to":
                item.i = kinds.get(item.i, item.i)
    for tensor in find_tensors(alone):
        if tensor.data_type in kinds:
            dtype = helper.tensor_dtype_to_np_dtype(kinds[tensor.data_type])
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(dtype), tensor.name))
    return alone


def _convert_all(values: Mapping[str, Any], kinds: Mapping[int, int]) -> dict[str, Any]:
    return {name: _convert(value, kinds) for name, value in values.items()}


def _convert(value: Any, kinds: Mapping[int, int]) -> Any:
    """An array in the type that `kinds` names for its own, or a sequence of them; anything else as it is."""
    if isinstance(value, list):
        return [_convert(item, kinds) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    kind = kinds.get(helper.np_dtype_to_tensor_dtype(value.dtype))
    return value if kind is None else value.astype(helper.tensor_dtype_to_np_dtype(kind))
