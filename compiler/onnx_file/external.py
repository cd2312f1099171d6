"""Tensors that an ONNX file keeps in other files: where they hide, and which places are refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import Message

from archspec.arrays import Array
from archspec.errors import ArchspecError, ModelError
from compiler.onnx_file.tensors import find_tensors


class ExternalDataInfo(NamedTuple):
    """The place of a tensor's bytes: the name of a file, the first byte, and their number; 0 where the tensor does not
    say that, and they are as many as its shape and type take."""

    location: str
    offset: int
    length: int


def check_external_data(model: Message, path: Path) -> list[onnx.TensorProto]:
    """Find the tensors of the model in `path` that lie elsewhere. Raises ArchspecError unless that is in the model's
    folder.

    A tensor's place begins at the folder in which the model's name stands. By its real path, links followed, the file
    must lie in that folder, or where the model's name is a link in that of the model itself: the caches of model hubs
    link names to files in one folder. ONNX Runtime asks for the same; the rest is refused here alone.
    """
    external = list(find_external(model))
    examine = cache(partial(_examine, path))  # which thousands of tensors may share
    for tensor in external:
        _check_tensor(tensor, path, examine)
    return external


def find_external(message: Message) -> Iterator[onnx.TensorProto]:
    """Find every tensor, wherever it hides (subgraphs, attributes, functions), that names a place outside the file."""
    return filter(is_external, find_tensors(message))


def gather_data(model: Message, path: Path) -> str | None:
    """Rewrite the places of a model's external data to be relative to one real folder, and return it: from there the
    model in `path` finds them as another file, too, or from memory. None where it has all in itself."""
    entries = list(_list_locations(find_external(model)))
    real = [os.path.realpath(path.parent / entry.value) for entry in entries]
    folder = os.path.commonpath([os.path.dirname(place) for place in real]) if real else None
    for entry, place in zip(entries, real, strict=True):
        entry.value = Path(os.path.relpath(place, folder)).as_posix()
    return folder


def list_data(external: Iterable[onnx.TensorProto]) -> tuple[str, ...]:
    """List the names of the files in which these tensors lie, as text: protobuf gives what is none as bytes."""
    return tuple(sorted({str(entry.value) for entry in _list_locations(external)}))


def read_place(tensor: onnx.TensorProto) -> ExternalDataInfo:
    """Read what a tensor says of the place where it lies. Raises ArchspecError, with the end of a sentence on these
    data, where not all readers would find it there."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if not all(isinstance(text, str) for text in (*entries, *entries.values())):  # protobuf gives bytes
        raise ArchspecError("lies at a place that is not UTF-8 text")
    if len(entries) != len(tensor.external_data):
        raise ArchspecError("names one key twice")
    offset, length = (entries.get(key, "0") for key in ("offset", "length"))
    if not all(text.isascii() and text.isdigit() and len(text) < 20 for text in (offset, length)):
        raise ArchspecError(f"has the offset {offset!r} and length {length!r}; both must be whole numbers")
    return ExternalDataInfo(entries.get("location", ""), int(offset), int(length))


def read_external(tensor: onnx.TensorProto, folder: Path, dtype: npt.DTypeLike, *, mapped: bool = False) -> Array:
    """Read the numbers of a tensor from the other file that was checked to hold them, or map them there. Raises
    ModelError where that ends before them."""
    place = read_place(tensor)
    path, shape = folder / place.location, tuple(tensor.dims)
    try:
        if mapped:
            return np.memmap(path, dtype, "r", place.offset, shape)
        return np.fromfile(path, dtype, prod(shape), offset=place.offset).reshape(shape)
    except ValueError as error:  # a tensor need not say how long it is
        raise ModelError(f"{path} is too short for '{tensor.name}'") from error


def is_external(tensor: onnx.TensorProto) -> bool:
    """True if a tensor names a place outside the file."""
    return bool(tensor.external_data) or tensor.data_location == onnx.TensorProto.EXTERNAL


def _list_locations(external: Iterable[onnx.TensorProto]) -> Iterator[onnx.StringStringEntryProto]:
    return (entry for tensor in external for entry in tensor.external_data if entry.key == "location")


def _check_tensor(tensor: onnx.TensorProto, model: Path, examine: Callable[[str], int]) -> None:
    what = f"{model}: the external data of '{tensor.name}'"
    if tensor.data_location != onnx.TensorProto.EXTERNAL:  # runtimes take those that it holds, or refuse it
        raise ArchspecError(f"{what} have a place, and it says that it holds its numbers itself")
    try:
        place = read_place(tensor)
    except ArchspecError as error:
        raise ArchspecError(f"{what} {error}") from None
    if not _is_inside(place.location):
        here = "only a file in the model's own folder is read, or below it"
        raise ArchspecError(f"{what} lies at {place.location!r}; {here}")
    try:
        size = examine(place.location)
    except ArchspecError as error:
        raise ArchspecError(f"{what}, {error}") from None
    if place.offset + place.length > size:
        raise ArchspecError(f"{what} ends at byte {place.offset + place.length:,} of a file of {size:,} bytes")


def _is_inside(name: str) -> bool:
    """Tell whether a place is written as one below the folder: not absolute, without a way up, no address in memory
    (which ONNX Runtime writes with stars), and nothing in a hidden folder, where other programs keep their secrets."""
    *folders, last = name.split("/")
    hidden = any(part.startswith(".") and part != "." for part in folders)
    return not (hidden or "" in folders or last in ("", ".", "..") or any(mark in name for mark in "\\:*\0"))


def _examine(model: Path, name: str) -> int:
    """The size of a regular file with one name that lies in the model's folder."""
    path = model.parent / name
    try:
        real = Path(os.path.realpath(path, strict=True))
        found = os.lstat(real)
    except OSError as error:
        raise ArchspecError(f"{path}, cannot be read: {error.strerror or error}{_advise(model, name)}") from error
    if not any(real.is_relative_to(folder) for folder in _list_folders(model)):
        raise ArchspecError(f"{path}, is a link out of the model's folder, to {real}; copy the file instead")
    if not stat.S_ISREG(found.st_mode):
        raise ArchspecError(f"{path}, is not a file")
    if found.st_nlink != 1:  # whose other names may be anywhere
        raise ArchspecError(f"{path}, has {found.st_nlink} names (hard links); copy the file instead")
    return found.st_size


def _list_folders(model: Path) -> tuple[str, str]:
    """The real folders of a model's name and of what it leads to."""
    return os.path.realpath(model.parent), os.path.dirname(os.path.realpath(model))


def _advise(model: Path, name: str) -> str:
    real = os.path.realpath(model)
    if model.is_symlink() and os.path.isfile(os.path.join(os.path.dirname(real), name)):
        return f"; {model} is a link, and its data lie beside {real}: open that, or link them here too"
    return ""
