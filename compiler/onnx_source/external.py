"""Tensors that an ONNX file keeps in other files: where they hide, and which places are refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import onnx
from google.protobuf.message import Message  # type: ignore[import-untyped]

from archspec.errors import ArchspecError
from compiler.content import find_tensors


def check_external_data(model: Message, path: Path) -> list[onnx.TensorProto]:
    """The tensors of the model in `path` that lie elsewhere. Raises ArchspecError unless that is plainly beside it."""
    external = list(find_external(model))
    examine = cache(_examine_plain_file)  # which thousands of tensors may share
    for tensor in external:
        _check_tensor(tensor, path, examine)
    return external


def find_external(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor, wherever it hides (subgraphs, attributes, functions), that names a place outside the file."""
    return filter(is_external, find_tensors(message))


def is_external(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor names a place outside the file."""
    return bool(tensor.external_data) or tensor.data_location == onnx.TensorProto.EXTERNAL


def _check_tensor(tensor: onnx.TensorProto, model: Path, examine: Callable[[Path], int]) -> None:
    what = f"{model}: the external data of '{tensor.name}'"
    # Two entries of one name would be read differently by different readers.
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if len(entries) != len(tensor.external_data):
        raise ArchspecError(f"{what} names one key twice")
    name = entries.get("location", "")
    if name in ("", ".", "..") or any(mark in name for mark in "/\\:\0"):
        raise ArchspecError(f"{what} lies at {name!r}; only a plain file name in the model's own folder is read")
    try:
        size = examine(model.parent / name)
    except ArchspecError as error:
        raise ArchspecError(f"{what}, {error}") from None
    _check_extent(entries, size, what)


def _examine_plain_file(path: Path) -> int:
    """The size of a regular file with one name; a link could lead out of the folder, so it is refused."""
    try:
        found = os.lstat(path)
    except OSError as error:
        raise ArchspecError(f"{path}, cannot be read: {error.strerror or error}") from error
    if stat.S_ISLNK(found.st_mode):
        raise ArchspecError(f"{path}, is a symbolic link; copy the file instead")
    if not stat.S_ISREG(found.st_mode):
        raise ArchspecError(f"{path}, is not a file")
    if found.st_nlink != 1:
        raise ArchspecError(f"{path}, has {found.st_nlink} names (hard links); copy the file instead")
    return found.st_size


def _check_extent(entries: dict[str, str], size: int, what: str) -> None:
    offset, length = (entries.get(key, "0") for key in ("offset", "length"))
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in (offset, length)):
        raise ArchspecError(f"{what} has the offset {offset!r} and length {length!r}; both must be whole numbers")
    if int(offset) + int(length) > size:
        raise ArchspecError(f"{what} ends at byte {int(offset) + int(length):,} of a file of {size:,} bytes")
