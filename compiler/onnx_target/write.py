"""An ONNX model → a file, without holding its weights in memory a second time.

A protobuf message is a sequence of fields in any order. Everything but the weights is serialized by the library; the
weights follow as fields of the graph, each a short header and then the array's own bytes, straight to the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.onnx_target.built import OnnxModel
from compiler.passes.base import Array

SINGLE_FILE = 1_800_000_000
"""Bytes of weights up to which a model is one file; protobuf ends at 2 GiB."""

LENGTH_DELIMITED = 2
"""The wire type of strings, bytes and messages."""


ALIGNMENT = 4096
"""Where arrays of a side file begin: at pages, so that they can be mapped."""


def write_model(model: OnnxModel, path: Path) -> None:
    """Check the model with onnx's own checker and write it; weights above 1.8 GB go to a second file beside it."""
    _check(model)
    if sum(map(_count_bytes, model.tensors.values())) > SINGLE_FILE:
        beside = f"{path.name}.{model.metadata['archspec.weights'][:12]}.data"
        with path.with_name(beside).open("wb") as side, path.open("wb") as file:
            file.write(_write_beside(model, side).SerializeToString(deterministic=True))
        return
    with path.open("wb") as file:
        for piece in _pieces(model):
            file.write(piece)


def to_bytes(model: OnnxModel) -> bytes:
    """The model as one file's bytes, in memory."""
    return b"".join(_pieces(model))


def _check(model: OnnxModel) -> None:
    """onnx's checker on everything but the weights' bytes: for it they are inputs of their shape and type."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model.head)
    for name, array in model.tensors.items():
        twin.graph.input.append(onnx.helper.make_tensor_value_info(name, _kind(array), array.shape))
    onnx.checker.check_model(twin)


def _pieces(model: OnnxModel) -> Iterator[bytes | memoryview]:
    """The file, piece by piece: the model's own fields, then its graph, whose last fields are the weights."""
    graph = model.head.graph.SerializeToString(deterministic=True)
    headers = {name: _tensor_header(name, array) for name, array in model.tensors.items()}
    size = len(graph) + sum(len(header) + _count_bytes(model.tensors[name]) for name, header in headers.items())
    rest = onnx.ModelProto()
    rest.CopyFrom(model.head)
    rest.ClearField("graph")
    yield rest.SerializeToString(deterministic=True)
    yield _tag(onnx.ModelProto.GRAPH_FIELD_NUMBER, size)
    yield graph
    for name, header in headers.items():
        yield header
        yield _as_bytes(model.tensors[name])


def _write_beside(model: OnnxModel, side: BinaryIO) -> onnx.ModelProto:
    """Write every array to the side file; the model, whose tensors say where they lie in it."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model.head)
    for name, array in model.tensors.items():
        side.write(bytes(-side.tell() % ALIGNMENT))
        proto = whole.graph.initializer.add(name=name, dims=array.shape, data_type=_kind(array))
        proto.data_location = onnx.TensorProto.EXTERNAL
        facts = {"location": Path(side.name).name, "offset": side.tell(), "length": _count_bytes(array)}
        for key, value in facts.items():
            proto.external_data.add(key=key, value=str(value))
        side.write(_as_bytes(array))
    return whole


def _tensor_header(name: str, array: Array) -> bytes:
    """An initializer up to its bytes, which come last: `raw_data` in the little-endian order that ONNX asks for."""
    proto = onnx.TensorProto(name=name, dims=array.shape, data_type=_kind(array))
    facts: bytes = proto.SerializeToString(deterministic=True)
    facts += _tag(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, _count_bytes(array))
    return _tag(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(facts) + _count_bytes(array)) + facts


def _as_bytes(array: Array) -> memoryview:
    values: NDArray[Any] = np.ascontiguousarray(array)
    return values.reshape(-1).view(np.uint8).data


def _count_bytes(array: Array) -> int:
    return int(np.prod(array.shape, dtype=np.int64)) * array.dtype.itemsize


def _kind(array: Array) -> int:
    """ONNX's number for the array's type."""
    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))


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
