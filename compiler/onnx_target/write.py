"""An ONNX model → a file, without holding its weights in memory a second time.

A protobuf message is a sequence of fields in any order. Everything but the weights is serialized by the library; the
weights follow as fields of the graph, each a short header and then the array's own bytes, straight to the file. What
is too large for one file has its weights in a second one beside it.

Numbers begin where processors like to read them, so that who maps a file can compute with what lies there. Protobuf has
no padding; model and tensors have a text for people to read (`doc_string`), which here is as many blanks as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import onnx

from archspec.errors import ArchspecError
from compiler.onnx_target.built import THREADS, OnnxModel
from compiler.onnx_target.identity import IDENTITY, as_bytes, count_bytes, identify
from compiler.passes.base import Array
from compiler.protobuf import delimit, header_of

SINGLE_FILE = 1_800_000_000
"""Bytes of weights up to which a model is one file; protobuf ends at 2 GiB."""

ALIGNMENT = 1 << 16
"""Where arrays of a second file begin: as Windows maps files, and a multiple of every system's pages."""

INLINE = 1 << 10
"""Bytes up to which a tensor stays in the model itself: runtimes look for shapes and scales only there."""

CACHE_LINE = 64
"""A multiple of the bytes of the widest vectors: where the numbers of larger tensors begin in one file."""


def write_model(model: OnnxModel, path: Path) -> None:
    """Check the model with onnx's own checker and write it; weights above 1.8 GB go to a second file beside it.

    The second file is named after the first and after the model's identity: another model never finds it. Give a path
    of `archspec.files.write_whole`, which has both appear whole, the data before the model that names it.
    """
    _check(model)
    identity = identify(model)
    if sum(map(count_bytes, model.tensors.values())) > SINGLE_FILE:
        with path.with_name(name_data(path.name, identity)).open("wb") as side:
            whole = _write_beside(model, _head(model, identity), side)
        path.write_bytes(whole.SerializeToString(deterministic=True))
        return
    with path.open("wb") as file:
        for piece in _pieces(model, identity):
            file.write(piece)


def to_bytes(model: OnnxModel) -> bytes:
    """The model as one file's bytes, in memory. Raises ArchspecError where its weights are too large for that."""
    size = sum(map(count_bytes, model.tensors.values()))
    if size > SINGLE_FILE:
        raise ArchspecError(f"the model has {size:,} bytes of weights, at most {SINGLE_FILE:,} fit: write it to a file")
    opening, headers = _lay_out(model, identify(model))
    pieces: list[bytes | memoryview] = [opening]
    with ThreadPoolExecutor(THREADS) as pool:
        for header, numbers in zip(headers.values(), pool.map(as_bytes, model.tensors.values()), strict=True):
            pieces += header, numbers
    return b"".join(pieces)


def name_data(model: str, identity: str) -> str:
    """The name of the file with the weights of a model of that file name."""
    return f"{model}.{identity[:12]}.data"


def _check(model: OnnxModel) -> None:
    """onnx's checker on everything but the weights' bytes: for it they are inputs of their shape and type."""
    twin = onnx.ModelProto()
    twin.CopyFrom(model.head)
    for name, array in model.tensors.items():
        twin.graph.input.append(onnx.helper.make_tensor_value_info(name, _kind(array), array.shape))
    onnx.checker.check_model(twin)


def _head(model: OnnxModel, identity: str) -> onnx.ModelProto:
    """Everything but the weights, with the model's identity."""
    head = onnx.ModelProto()
    head.CopyFrom(model.head)
    head.metadata_props.add(key=IDENTITY, value=identity)
    return head


def _pieces(model: OnnxModel, identity: str) -> Iterator[bytes | memoryview]:
    """The file, piece by piece."""
    opening, headers = _lay_out(model, identity)
    yield opening
    for name, header in headers.items():
        yield header
        yield as_bytes(model.tensors[name])


def _lay_out(model: OnnxModel, identity: str) -> tuple[bytes, dict[str, bytes]]:
    """The model's own fields and the beginning of its graph, whose last fields are the weights; and by name what stands
    before the numbers of each."""
    rest = _head(model, identity)
    graph = rest.graph.SerializeToString(deterministic=True)
    rest.ClearField("graph")
    headers, size = {}, len(graph)
    for name, array in model.tensors.items():
        headers[name] = _tensor_header(name, array, size)
        size += len(headers[name]) + count_bytes(array)
    facts: bytes = rest.SerializeToString(deterministic=True)
    graph_header = header_of(onnx.ModelProto.GRAPH_FIELD_NUMBER, size)
    # What begins at a multiple of the graph's bytes does so in the file, too.
    opening = _align(lambda text: facts + text + graph_header, onnx.ModelProto.DOC_STRING_FIELD_NUMBER, 0)
    return opening + graph, headers


def _write_beside(model: OnnxModel, whole: onnx.ModelProto, side: BinaryIO) -> onnx.ModelProto:
    """Write every larger array to the second file; the model, whose tensors say where they lie in it."""
    for name, array in model.tensors.items():
        proto = whole.graph.initializer.add(name=name, dims=array.shape, data_type=_kind(array))
        if count_bytes(array) <= INLINE:
            proto.raw_data = bytes(as_bytes(array))
            continue
        side.write(bytes(-side.tell() % ALIGNMENT))
        proto.data_location = onnx.TensorProto.EXTERNAL
        facts = {"location": Path(side.name).name, "offset": side.tell(), "length": count_bytes(array)}
        for key, value in facts.items():
            proto.external_data.add(key=key, value=str(value))
        side.write(as_bytes(array))
    return whole


def _tensor_header(name: str, array: Array, start: int) -> bytes:
    """An initializer up to its bytes, which come last: `raw_data` in the little-endian order that ONNX asks for. It
    begins at `start` of the graph."""
    proto = onnx.TensorProto(name=name, dims=array.shape, data_type=_kind(array))
    facts: bytes = proto.SerializeToString(deterministic=True)
    size = count_bytes(array)
    raw = header_of(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, size)

    def build(text: bytes) -> bytes:
        inner = facts + text + raw
        return header_of(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(inner) + size) + inner

    return build(b"") if size <= INLINE else _align(build, onnx.TensorProto.DOC_STRING_FIELD_NUMBER, start)


def _align(build: Callable[[bytes], bytes], number: int, start: int) -> bytes:
    """What `build` makes of a text in field `number` that has it end at a multiple of CACHE_LINE, begun at `start`."""
    blanks = 0
    while missing := -(start + len(build(delimit(number, b" " * blanks)))) % CACHE_LINE:
        blanks += missing
    return build(delimit(number, b" " * blanks))


def _kind(array: Array) -> int:
    """ONNX's number for the array's type."""
    return int(onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
