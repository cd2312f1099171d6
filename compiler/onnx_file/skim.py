"""An ONNX file → its model without the numbers of its weights, which are passed over where they lie.

A protobuf message is a sequence of fields: a key, perhaps a length, the content. Walking over the fields of the model
and of its graph finds the weights; of each that is large, the fields that hold numbers are left out, so that a model
of any size is read in the time and memory that its nodes take.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Collection
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np
import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from archspec.errors import ArchspecError, ModelError, raising
from archspec.file_types import ONNX, advise, find_file_type
from archspec.files import FileState, check_is_file
from archspec.wording import write_shape
from compiler.onnx_file.external import is_external
from compiler.onnx_file.protobuf import DELIMITED, Bytes, MalformedError, WireField, delimit, walk_fields
from compiler.onnx_file.tensors import FORMS

MAX_INLINE = 2048
"""The largest size, in bytes, of a stored tensor that is read: of shapes, scales, thresholds."""
MAX_FIELDS = 2_000_000
"""The largest number of fields of a model and of its graph together. A network of 100,000 nodes has about half a
million."""
MAX_BYTES = (1 << 31) - 1
"""The largest size, in bytes, of a message of protobuf."""

GRAPH_FIELD = onnx.ModelProto.GRAPH_FIELD_NUMBER
METADATA_FIELD = onnx.ModelProto.METADATA_PROPS_FIELD_NUMBER
INITIALIZER_FIELD = onnx.GraphProto.INITIALIZER_FIELD_NUMBER
RAW_FIELD = onnx.TensorProto.RAW_DATA_FIELD_NUMBER
NUMBERS = {
    getattr(onnx.TensorProto, f"{name}_FIELD_NUMBER")
    for name in ("RAW_DATA", "FLOAT_DATA", "INT32_DATA", "INT64_DATA", "DOUBLE_DATA", "UINT64_DATA", "STRING_DATA")
}

ReplaceTensor: TypeAlias = Callable[[Bytes, WireField], bytes]
"""A function from a file and the field of a large stored tensor in it to what stands in the graph instead."""


@raising(ModelError)
def skim_model(path: Path) -> onnx.ModelProto:
    """Read the model in a file, without the numbers of its large weights. Raises ModelError where it is none."""
    model, _ = read_reduced(path, lambda data, field: delimit(INITIALIZER_FIELD, _skim_tensor(data, field, path)))
    if not model.HasField("graph") or not (model.graph.node or model.graph.input):
        raise ArchspecError(f"{path} is not an ONNX file: it holds no graph")
    check_text(model, path)
    return model


def read_reduced(path: Path, reduce: ReplaceTensor) -> tuple[onnx.ModelProto, FileState]:
    """Read the model in a file, in which the result of `reduce` takes the place of each stored tensor above a few
    kilobytes; and the state of the file that was read.

    The file is mapped: what `reduce` passes over is never read. Raises ModelError where it is no ONNX file.
    """
    return _read(path, lambda data: _reduce(data, reduce, path))


def read_metadata(path: Path) -> dict[str, str]:
    """Read what a model file says of itself, by key; nothing else of it is read. Raises ModelError where it is
    none."""
    model, _ = _read(path, _choose_metadata)
    return list_metadata(model)


def list_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """List the metadata of a model, by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


def skip_numbers(path: Path) -> onnx.ModelProto:
    """Read the model in a file without the numbers of its large weights, whatever else is wrong with it. Raises
    ModelError where it is none."""
    return read_reduced(path, _keep_head)[0]


def split_numbers(data: Bytes, tensor: WireField) -> tuple[onnx.TensorProto, WireField] | None:
    """Split a stored tensor into all but its numbers, and the place of these; None where they are not bytes of the
    file, or some of them lie elsewhere."""
    fields = list(walk_fields(data, tensor.start, tensor.end))
    numbers = [field for field in fields if field.number in NUMBERS]
    if [(field.number, field.wire) for field in numbers] != [(RAW_FIELD, DELIMITED)]:
        return None
    head = onnx.TensorProto.FromString(
        b"".join(data[field.key : field.end] for field in fields if field.number != RAW_FIELD)
    )
    return None if is_external(head) else (head, numbers[0])


def mentions(path: Path, names: Collection[bytes]) -> set[bytes]:
    """Find which of these names stand in the model in a file, wherever that is; in what is no model none does.

    Raises OSError where the file cannot be read, and ArchspecError where it has too many parts to tell.
    """
    with path.open("rb") as file:
        if not 0 < os.fstat(file.fileno()).st_size <= MAX_BYTES:
            return set()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                head = _reduce(data, _keep_head, path)
            except MalformedError:
                return set()
    return {name for name in names if name in head}


@raising(ModelError)
def _read(path: Path, choose: Callable[[Bytes], bytes]) -> tuple[onnx.ModelProto, FileState]:
    check_is_file(path)
    try:
        with path.open("rb") as file:
            state = FileState.read(file.fileno())
            if not state.size:
                raise ArchspecError(f"{path} is empty")
            if state.size > MAX_BYTES:
                size = f"{state.size:,} bytes"
                raise ArchspecError(f"{path} has {size}; an ONNX file ends at 2 GiB, with its weights beside it")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return onnx.ModelProto.FromString(choose(data)), state
    except (MalformedError, DecodeError) as error:
        found = find_file_type(path)
        other = found is not None and found != ONNX
        problem = f"is {found}, not {ONNX}{advise(found, path)}" if other else "is not an ONNX file, or it is cut off"
        raise ArchspecError(f"{path} {problem}") from error
    except OSError as error:
        raise ArchspecError(f"cannot read {path}: {error.strerror or error}") from error


def count_bytes(tensor: onnx.TensorProto) -> int | None:
    """Count the bytes that a tensor of this shape and type has; None where its shape is none, or its type unusual."""
    if tensor.data_type not in FORMS or any(extent < 0 for extent in tensor.dims):
        return None
    return np.dtype(FORMS[tensor.data_type][1]).itemsize * prod(map(int, tensor.dims))


def check_text(message: Message, path: Path) -> None:
    """Raise ModelError where a field of a message that should be text is none: it would come out as bytes, and fit
    nowhere."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            items = [value] if isinstance(value, str | bytes) else value
            if any(isinstance(item, bytes) for item in items):
                raise ModelError(
                    f"{path} is not an ONNX file, or it is damaged: its field '{field.name}' holds no text"
                )
        elif field.message_type is not None:
            for item in [value] if isinstance(value, Message) else value:
                check_text(item, path)


def _choose_metadata(data: Bytes) -> bytes:
    return b"".join(
        data[field.key : field.end] for field in walk_fields(data, 0, len(data)) if field.number == METADATA_FIELD
    )


def _reduce(data: Bytes, reduce: ReplaceTensor, path: Path) -> bytes:
    pieces = []
    spent = 0
    for field in walk_fields(data, 0, len(data)):
        spent += 1
        if spent > MAX_FIELDS:
            raise ArchspecError(f"{path} is too large: it has more than {MAX_FIELDS:,} parts")
        if field.number != GRAPH_FIELD or field.wire != DELIMITED:
            pieces.append(data[field.key : field.end])
            continue
        parts = []
        for part in walk_fields(data, field.start, field.end):
            spent += 1
            large = part.number == INITIALIZER_FIELD and part.wire == DELIMITED and part.end - part.start > MAX_INLINE
            parts.append(reduce(data, part) if large else data[part.key : part.end])
            if spent > MAX_FIELDS:
                raise ArchspecError(f"{path} is too large: its graph has more than {MAX_FIELDS:,} parts")
        pieces.append(delimit(GRAPH_FIELD, b"".join(parts)))
    return b"".join(pieces)


def _keep_head(data: Bytes, tensor: WireField) -> bytes:
    fields = [field for field in walk_fields(data, tensor.start, tensor.end) if field.number not in NUMBERS]
    return delimit(INITIALIZER_FIELD, b"".join(data[field.key : field.end] for field in fields))


def _skim_tensor(data: Bytes, tensor: WireField, path: Path) -> bytes:
    """A stored tensor without its numbers; its bytes must be as many as its shape says."""
    fields = list(walk_fields(data, tensor.start, tensor.end))
    head = b"".join(data[field.key : field.end] for field in fields if field.number not in NUMBERS)
    proto = onnx.TensorProto.FromString(head)
    stored = sum(field.end - field.start for field in fields if field.number == RAW_FIELD)
    due = count_bytes(proto)
    if stored and due is not None and stored != due:
        shape = write_shape(proto.dims)
        raise ArchspecError(f"{path}: the tensor '{proto.name}' of {shape} holds {stored:,} bytes instead of {due:,}")
    return head
