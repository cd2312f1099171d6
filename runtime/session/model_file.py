"""What an ONNX file must be before ONNX Runtime sees it: a checked model that reads nothing outside its own folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from archspec.errors import ModelError, raising
from archspec.extras import extra
from archspec.files import check_is_file
from runtime.session.failures import shorten

with extra("run"):
    import onnx

    from compiler.onnx_file.checker import check_model, lacks_shape
    from compiler.onnx_file.external import check_external_data, list_data
    from compiler.onnx_file.protobuf import Bytes, Field
    from compiler.onnx_file.skim import count_bytes, read_reduced, split_numbers

State: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Weight:
    """A large stored tensor and where it lies in its file: name, ONNX's number for its type, shape, and the place of
    its bytes, as many as these say."""

    name: str
    kind: int
    shape: tuple[int, ...]
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as it was checked: `head` has everything in the file but the large `weights`; `data` are the names of
    other files in its folder that hold tensors; and `state` is what the file's is for as long as nobody writes it."""

    head: onnx.ModelProto
    weights: tuple[Weight, ...]
    data: tuple[str, ...]
    state: State


@raising(ModelError)
def check_model_file(path: str | Path) -> ModelFile:
    """Raises ArchspecError unless `path` is a sound ONNX file whose external data, if any, lies in its folder.

    ONNX Runtime itself reads external data through a hard link, cuts names at a NUL, and dies on some models that
    onnx's checker refuses; so both checks come first. The checker sees all but the numbers of large weights, which are
    as many bytes as their shape says, and what lies in other files, where it follows no links: a model of any size is
    checked in the time that its nodes take.
    """
    path = Path(path)
    weights: list[Weight] = []
    check_is_file(path)
    state = read_state(path)
    model = read_reduced(path, lambda data, field: _set_aside(data, field, weights))
    external = check_external_data(model, path)
    try:
        _check_shapes(model.graph.input)
        check_model(model, (onnx.TensorProto(name=item.name, data_type=item.kind) for item in weights))
    except Exception as error:  # ValidationError, and whatever protobuf adds
        raise ModelError(f"{path} is not a valid ONNX model: {shorten(error)}") from error
    return ModelFile(model, tuple(weights), list_data(external), state)


def read_state(path: str | Path | int) -> State:
    """What changes when a file (or the open one of a number) is written or replaced: its place on the disk, its length
    and its time."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def check_unwritten(path: str | Path, state: State) -> None:
    """Raises ArchspecError where the file is no longer the one that was in this state."""
    if read_state(path) != state:
        raise ModelError(f"{path} was written while it was read")


def _set_aside(data: Bytes, field: Field, weights: list[Weight]) -> bytes:
    """Nothing, for a stored tensor that holds the bytes that are due, once, and nothing else; what it is goes to
    `weights`. Any other stays as it is."""
    split = split_numbers(data, field)
    if split is not None:
        tensor, numbers = split
        size = numbers.end - numbers.start
        if count_bytes(tensor) == size:
            weights.append(Weight(tensor.name, tensor.data_type, tuple(tensor.dims), numbers.start, size))
            return b""
    return data[field.key : field.end]


def _check_shapes(inputs: Iterable[onnx.ValueInfoProto]) -> None:
    """onnx's checker would not say which input it is."""
    for value in inputs:
        if lacks_shape(value):
            raise ModelError(f"the input '{value.name}' has no shape, not even an open one")
