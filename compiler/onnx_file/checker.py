"""onnx's own checker on all of a model but the numbers of its weights, which need not be in memory."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy

import onnx
import onnx.checker

from compiler.onnx_file.external import find_external


def check_model(model: onnx.ModelProto, apart: Iterable[onnx.TensorProto] = ()) -> None:
    """Check a model that stores the tensors `apart` too, of which name and type count alone.

    Tensors of the model that lie in other files are not looked for. Outputs may have any shape, for ONNX and for ONNX
    Runtime, but not for the checker: here they get one. Raises what the checker and protobuf raise.
    """
    twin = deepcopy(model)
    for tensor in find_external(twin):
        tensor.CopyFrom(_empty(tensor))
    twin.graph.initializer.extend(map(_empty, apart))
    for value in twin.graph.output:
        if lacks_shape(value):
            value.type.tensor_type.shape.SetInParent()
    onnx.checker.check_model(twin)


def lacks_shape(value: onnx.ValueInfoProto) -> bool:
    """True if a tensor is declared without a shape, even an open one."""
    return value.type.WhichOneof("value") == "tensor_type" and not value.type.tensor_type.HasField("shape")


def _empty(tensor: onnx.TensorProto) -> onnx.TensorProto:
    """A tensor without numbers, of which the checker asks for none."""
    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0])
