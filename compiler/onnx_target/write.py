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
from copy import deepcopy
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np
import onnx

from archspec.errors import ArchspecError
from compiler.onnx_file.checker import check_model
from compiler.onnx_file.companions import name_data
from compiler.onnx_file.digest import XXH3, describe, digest_content
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.protobuf import delimit, header_of
from compiler.onnx_target.onnx_model import MAX_WEIGHT_THREADS, OnnxModel, as_bytes
from compiler.passes.weight_arrays import WeightArray

MAX_FILE_BYTES = 1_800_000_000
"""The largest number of bytes of weights in one file, without a second one beside it; protobuf ends at 2 GiB."""

ALIGNMENT = 1 << 16
"""The number of bytes whose multiples arrays of a second file begin at: as Windows maps files, and a multiple of every
system's pages."""

MAX_INLINE_BYTES = 1 << 10
"""The largest number of bytes of a tensor that stays in the model itself: runtimes look for shapes and scales only
there."""

CACHE_LINE = 64
"""The number of bytes whose multiples the numbers of larger tensors in one file begin at; the widest vectors are a part
of it."""


def write_model(model: OnnxModel, path: Path) -> None:
    """Check the model with onnx's own checker and write it; weights above 1.8 GB go to a second file beside it.

    The second file is named after the first and after the model's content: another model never finds it. Give a path
    of `archspec.files.write_whole`, which has both appear whole, the data before the model that names it. Raises
    ArchspecError where the checker refuses the model.
    """
    try:
        check_model(model.head, [_declare(name, array) for name, array in model.tensors.items()])
    except onnx.checker.ValidationError as error:  # what a rule of the caller's own emits may be anything
        raise ArchspecError(f"the model is not what ONNX allows: {f'{error}'.splitlines()[0]}") from error
    if _count_weights(model) > MAX_FILE_BYTES:
        path.write_bytes(_write_beside(model, path).SerializeToString(deterministic=True))
        return
    with path.open("wb") as file:
        for piece in _pieces(model):
            file.write(piece)


def to_bytes(model: OnnxModel) -> bytes:
    """Serialize the model as one file's bytes, in memory. Raises ArchspecError where its weights are too large for
    that."""
    size = _count_weights(model)
    if size > MAX_FILE_BYTES:
        raise ArchspecError(
            f"the model has {size:,} bytes of weights, at most {MAX_FILE_BYTES:,} fit: write it to a file"
        )
    with ThreadPoolExecutor(MAX_WEIGHT_THREADS) as pool:
        computed = dict(zip(model.tensors, pool.map(np.asarray, model.tensors.values()), strict=True))
    return b"".join(_pieces(replace(model, tensors=computed)))


def _pieces(model: OnnxModel) -> Iterator[bytes | memoryview]:
    """The file, piece by piece; the content's hash comes last, when all has gone by."""
    opening, headers = _lay_out(model)
    described = []
    yield opening
    for name, array in model.tensors.items():
        numbers = as_bytes(array)
        described.append(_describe(name, array, numbers))
        yield headers[name]
        yield numbers
    yield delimit(onnx.ModelProto.METADATA_PROPS_FIELD_NUMBER, _say_content(model, described).SerializeToString())


def _lay_out(model: OnnxModel) -> tuple[bytes, dict[str, bytes]]:
    """The model's own fields and the beginning of its graph, whose last fields are the weights; and by name what stands
    before the numbers of each."""
    rest = deepcopy(model.head)
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


def _write_beside(model: OnnxModel, path: Path) -> onnx.ModelProto:
    """Write every larger array to a second file, which is named when its content is known; the model, whose tensors say
    where they lie in it."""
    whole, described = deepcopy(model.head), []
    with path.with_name(f"{path.name}.data").open("wb") as side:
        for name, array in model.tensors.items():
            numbers = as_bytes(array)
            described.append(_describe(name, array, numbers))
            whole.graph.initializer.append(_store(_declare(name, array), numbers, side))
    content = _say_content(model, described)
    whole.metadata_props.append(content)
    data = Path(side.name).rename(path.with_name(name_data(path.name, content.value)))
    for tensor in whole.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            tensor.external_data.add(key="location", value=data.name)
    return whole


def _store(tensor: onnx.TensorProto, numbers: memoryview, side: BinaryIO) -> onnx.TensorProto:
    """The tensor with its numbers; where they are many, these go to the second file, and it says where."""
    if len(numbers) <= MAX_INLINE_BYTES:
        tensor.raw_data = bytes(numbers)
        return tensor
    side.write(bytes(-side.tell() % ALIGNMENT))
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"offset": side.tell(), "length": len(numbers)}.items():
        tensor.external_data.add(key=key, value=str(value))
    side.write(numbers)
    return tensor


def _say_content(model: OnnxModel, described: list[bytes]) -> onnx.StringStringEntryProto:
    """Write what the metadata say of the content of a model with stored tensors that are `described` so."""
    return onnx.StringStringEntryProto(key=CONTENT, value=digest_content(deepcopy(model.head), described))


def _describe(name: str, array: WeightArray, numbers: memoryview) -> bytes:
    """The canonical form of a stored tensor, by which it counts in the content."""
    return describe(_declare(name, array), XXH3(numbers).digest())


def _tensor_header(name: str, array: WeightArray, start: int) -> bytes:
    """An initializer up to its bytes, which come last: `raw_data` in the little-endian order that ONNX asks for. It
    begins at `start` of the graph."""
    facts: bytes = _declare(name, array).SerializeToString(deterministic=True)
    size = count_bytes(array)
    raw = header_of(onnx.TensorProto.RAW_DATA_FIELD_NUMBER, size)

    def build(text: bytes) -> bytes:
        inner = facts + text + raw
        return header_of(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(inner) + size) + inner

    return build(b"") if size <= MAX_INLINE_BYTES else _align(build, onnx.TensorProto.DOC_STRING_FIELD_NUMBER, start)


def _align(build: Callable[[bytes], bytes], number: int, start: int) -> bytes:
    """Find what `build` makes of a text in field `number` that has it end at a multiple of CACHE_LINE, begun at
    `start`."""
    blanks = 0
    while missing := -(start + len(build(delimit(number, b" " * blanks)))) % CACHE_LINE:
        blanks += missing
    return build(delimit(number, b" " * blanks))


def count_bytes(array: WeightArray) -> int:
    return prod(array.shape) * array.dtype.itemsize


def _count_weights(model: OnnxModel) -> int:
    return sum(map(count_bytes, model.tensors.values()))


def _declare(name: str, array: WeightArray) -> onnx.TensorProto:
    """A tensor without its numbers."""
    return onnx.TensorProto(name=name, dims=array.shape, data_type=onnx.helper.np_dtype_to_tensor_dtype(array.dtype))
