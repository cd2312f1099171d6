"""An ONNX model → a file, without holding its weights in memory a second time.

A protobuf message is a sequence of fields in any order. Everything but the weights is serialized by the library; the
weights follow as fields of the graph, each a short header and then the array's own bytes, straight to the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
import onnx_ir as ir

Tensors: TypeAlias = Mapping[str, ir.TensorProtocol]

SINGLE_FILE = 1_800_000_000
"""Bytes of weights up to which a model is one file; protobuf ends at 2 GiB."""

LENGTH_DELIMITED = 2
"""The wire type of strings, bytes and messages."""


def write_model(model: ir.Model, path: Path) -> None:
    """Check the model with onnx's own checker and write it; weights above 1.8 GB go to a second file beside it."""
    tensors = {name: value.const_value for name, value in model.graph.initializers.items() if value.const_value}
    if sum(tensor.nbytes for tensor in tensors.values()) > SINGLE_FILE:
        beside = f"{path.name}.{model.metadata_props['archspec.weights'][:12]}.data"
        ir.save(model, path, external_data=beside)
        onnx.checker.check_model(str(path))
        return
    head = _serialize_without_weights(model)
    _check(head, tensors)
    with path.open("wb") as file:
        for piece in _pieces(head, tensors):
            file.write(piece)


def _serialize_without_weights(model: ir.Model) -> onnx.ModelProto:
    initializers = dict(model.graph.initializers)
    model.graph.initializers.clear()
    try:
        return ir.serde.serialize_model(model)
    finally:
        model.graph.initializers.update(initializers)


def _check(head: onnx.ModelProto, tensors: Tensors) -> None:
    """onnx's checker on everything but the weights' bytes: for it they are inputs of their shape and type."""
    twin = onnx.ModelProto()
    twin.CopyFrom(head)
    for name, tensor in tensors.items():
        extents = tensor.shape.numpy()
        twin.graph.input.append(onnx.helper.make_tensor_value_info(name, tensor.dtype.value, extents))
    onnx.checker.check_model(twin)


def _pieces(head: onnx.ModelProto, tensors: Tensors) -> Iterator[bytes | memoryview]:
    """The file, piece by piece: the model's own fields, then its graph, whose last fields are the weights."""
    graph = head.graph.SerializeToString(deterministic=True)
    headers = {name: _tensor_header(name, tensor) for name, tensor in tensors.items()}
    size = len(graph) + sum(len(header) + tensors[name].nbytes for name, header in headers.items())
    rest = onnx.ModelProto()
    rest.CopyFrom(head)
    rest.ClearField("graph")
    yield rest.SerializeToString(deterministic=True)
    yield _tag(onnx.ModelProto.GRAPH_FIELD_NUMBER, size)
    yield graph
    for name, header in headers.items():
        yield header
        yield np.ascontiguousarray(tensors[name].numpy()).reshape(-1).view(np.uint8).data


def _tensor_header(name: str, tensor: ir.TensorProtocol) -> bytes:
    """An initializer up to its bytes, which come last: `raw_data` in the little-endian order that ONNX asks for."""
    proto = onnx.TensorProto(name=name, dims=tensor.shape.numpy(), data_type=tensor.dtype.value)
    facts: bytes = proto.SerializeToString(deterministic=True)
    facts += _tag(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, tensor.nbytes)
    return _tag(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(facts) + tensor.nbytes) + facts


def _tag(field: int, size: int) -> bytes:
    """The key of a length-delimited field, and its length."""
    return _varint(field << 3 | LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the high bit says that more follow."""
    groups = []
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*groups, value])
