"""Shapes that are asked of the file, and of onnx's own inference, where no rule knows an operation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import cached_property

import onnx
import onnx.defs
import onnx.shape_inference
from onnx.helper import make_tensor_type_proto
from onnx.numpy_helper import from_array

from compiler.onnx_file.checker import check_model
from compiler.onnx_source.file.inputs import FileInputs
from compiler.onnx_source.file.types import find_code
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.values import Constant, Operand


class LostShapeError(Exception):
    """Nothing says the shape of a result: neither a rule, nor the file, nor onnx's inference."""


class ShapeTable:
    """A table of the shapes of results by their names: those that the file declares, else what onnx infers at these
    inputs, of one node from what is known of its operands, or of the whole file."""

    def __init__(self, model: onnx.ModelProto, inputs: FileInputs, opset: int) -> None:
        self._model, self._inputs, self._opset = model, inputs, opset

    def find(self, node: onnx.NodeProto, operands: Sequence[Operand], name: str) -> Dims | None:
        """Find the shape of a result of this name; None where nothing says it."""
        return self._declared.get(name) or self._infer_node(node, operands).get(name) or self._inferred.get(name)

    def _infer_node(self, node: onnx.NodeProto, operands: Sequence[Operand]) -> dict[str, Dims]:
        """Infer with onnx the shapes of the results of one node, given the shapes of its operands and the numbers of
        small ones.

        Nothing where it holds branches, whose own values are not known here.
        """
        given = {name: item for name, item in zip(node.input, operands, strict=False) if item}
        types = {name: make_tensor_type_proto(find_code(item.type), item.shape) for name, item in given.items()}
        arrays = {name: item.array for name, item in given.items() if isinstance(item, Constant)}
        data = {name: from_array(array) for name, array in arrays.items() if array is not None}
        if any(item.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for item in node.attribute):
            return {}
        opsets, version = list(self._model.opset_import), self._model.ir_version
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opset, node.domain)
            found = onnx.shape_inference.infer_node_outputs(schema, node, types, data, None, opsets, version)
        except Exception:  # whatever its C++ raises: then nothing is inferred
            return {}
        return self._read([onnx.ValueInfoProto(name=name, type=type) for name, type in found.items()])

    @cached_property
    def _declared(self) -> dict[str, Dims]:
        return self._read((*self._model.graph.value_info, *self._model.graph.output))

    @cached_property
    def _inferred(self) -> dict[str, Dims]:
        twin = deepcopy(self._model)
        for item in twin.graph.input:
            for dim, extent in zip(
                item.type.tensor_type.shape.dim, self._inputs.shapes.get(item.name, ()), strict=False
            ):
                dim.dim_value = extent
        twin.graph.ClearField("value_info")
        said = [item for item in twin.graph.output if item.type.tensor_type.HasField("shape")]
        twin.graph.ClearField("output")
        twin.graph.output.extend(said)  # the checker refuses outputs without
        try:
            # Inference is not safe from every broken model; nor is it, where it computes numbers, from large ones.
            _check_without_numbers(twin)
            inferred = onnx.shape_inference.infer_shapes(twin).graph
            return self._read((*inferred.value_info, *inferred.output))
        except Exception:  # whatever its C++ raises: then nothing is inferred
            return {}

    def _read(self, items: Iterable[onnx.ValueInfoProto]) -> dict[str, Dims]:
        shapes = {}
        for item in items:
            if item.type.WhichOneof("value") == "tensor_type" and item.type.tensor_type.HasField("shape"):
                shape = self._inputs.resolve(item.type.tensor_type.shape)
                if shape is not None:
                    shapes[item.name] = shape
        return shapes


def _check_without_numbers(model: onnx.ModelProto) -> None:
    """Run onnx's checker on all but the stored tensors, since of large ones no numbers were read."""
    bare = deepcopy(model)
    bare.graph.ClearField("initializer")
    bare.ir_version = max(model.ir_version, 4)  # from which on stored tensors need not be inputs
    check_model(bare, model.graph.initializer)
