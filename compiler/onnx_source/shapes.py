"""Shapes that are asked of the file, and of onnx's own inference, where no rule knows an operation."""

from __future__ import annotations

from functools import cached_property

import onnx
import onnx.checker
import onnx.shape_inference

from compiler.onnx_source.inputs import FileInputs
from compiler.onnx_source.ops import Extents


class ShapeTable:
    """Shapes of results by their names: those that the file declares, else what onnx infers at these inputs."""

    def __init__(self, model: onnx.ModelProto, inputs: FileInputs) -> None:
        self._model, self._inputs = model, inputs

    def find(self, name: str) -> Extents | None:
        return self._declared.get(name) or self._inferred.get(name)

    @cached_property
    def _declared(self) -> dict[str, Extents]:
        return self._read(self._model.graph)

    @cached_property
    def _inferred(self) -> dict[str, Extents]:
        twin = onnx.ModelProto()
        twin.CopyFrom(self._model)
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
            onnx.checker.check_model(_without_numbers(twin))
            return self._read(onnx.shape_inference.infer_shapes(twin).graph)
        except Exception:  # whatever its C++ raises: then nothing is inferred
            return {}

    def _read(self, graph: onnx.GraphProto) -> dict[str, Extents]:
        shapes = {}
        for item in (*graph.value_info, *graph.output):
            if item.type.WhichOneof("value") == "tensor_type" and item.type.tensor_type.HasField("shape"):
                shape = self._inputs.resolve(item.type.tensor_type.shape)
                if shape is not None:
                    shapes[item.name] = shape
        return shapes


def _without_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with its stored tensors as inputs, since of large ones no numbers were read."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    given = {item.name for item in twin.graph.input}
    for tensor in twin.graph.initializer:
        if tensor.name not in given:
            twin.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    twin.graph.ClearField("initializer")
    return twin
