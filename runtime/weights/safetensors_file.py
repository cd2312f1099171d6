"""Weights in a safetensors file: written whole or not at all, read where they lie.

The format (https://github.com/huggingface/safetensors#format): the length of a header as eight bytes; the header as
JSON, with each tensor's type, shape and extent; and the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.extras import extra
from archspec.file_types import SAFETENSORS, advise_unpacking, find_file_type
from archspec.files import check_is_file, write_whole
from archspec.finite import is_finite
from archspec.strict_json import read_json
from runtime.weights.in_memory import is_counter, refuse_type

METADATA = "__metadata__"
BFLOAT16 = "BF16"
TYPES = {"F16": "<f2", BFLOAT16: "<u2", "F32": "<f4", "F64": "<f8"}
"""The names that numpy has for the stored types; bfloat16, which numpy has not, is read as the upper half of a
float32."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file: its shape, its type in the file's words, and how to read it, with ModelError where it
    holds no weights, or some that are not finite."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Array]


@raising(InputError)
def save_weights(path: str | Path, state: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays or CPU tensors by name, and strings by name into the header; the file appears whole or not at all.

    Raises InputError where a weight is not finite, or the file cannot be written; MissingExtra without safetensors.
    """
    with extra("train"):
        from safetensors.numpy import save

    arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
    for name, array in arrays.items():
        check_finite(f"{path}: the weight '{name}'", array)
    header, body = _order_header(save(arrays, metadata=dict(metadata)))
    with write_whole(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(body)


def load_weights(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read the arrays of a file by name, in its order of names, and the header's strings.

    The arrays are views of the mapped file: their pages are read when they are used, and take no memory that the system
    could not have back. What is written to them stays in this process. Numbers keep their type, but bfloat16 becomes
    float32; counters of batches are left out. The file may be replaced while it is in use, as this program does it, but
    not cut off: the system then ends the process (SIGBUS).

    Raises ModelError where the file is missing, cut off, of another kind, or holds numbers of another type, infinite
    numbers or NaN.
    """
    stored, metadata = open_weights(path)
    return read_all(stored), metadata


def read_all(stored: Mapping[str, StoredTensor]) -> dict[str, Array]:
    """Read all arrays, but for counters of batches."""
    return {name: item.read() for name, item in stored.items() if not is_counter(name)}


@raising(ModelError)
def open_weights(path: str | Path) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Open a file: its tensors by name, in its order, and the header's strings.

    Reading a tensor gives a view of the mapped file, as `load_weights` says. Raises ModelError where the file is
    missing, cut off or of another kind; MissingExtra without safetensors.
    """
    check_is_file(path)
    with extra("train"):
        from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:  # which holds the header against the file
            metadata = dict(sorted((file.metadata() or {}).items()))
            names = list(file.keys())
        with Path(path).open("rb") as opened:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise ModelError(f"{path} {_tell_problem(path, error)}") from error
    start = 8 + int.from_bytes(data[:8], "little")
    # safetensors checks all but this: a name that stands twice, of which different readers take another one
    header = read_json(data[8:start], f"the header of {path}")
    return {name: _describe(f"{path}: the weight '{name}'", data, start, header[name]) for name in names}, metadata


def check_finite(what: str, array: Array) -> Array:
    """Return the array. Raises ArchspecError where it holds infinite numbers or NaN."""
    if not is_finite(array):
        raise ArchspecError(f"{what} holds infinite numbers or NaN")
    return array


def _tell_problem(path: str | Path, error: Exception) -> str:
    found = find_file_type(path)
    if found in (None, SAFETENSORS):
        return f"is not a safetensors file of weights, or it is cut off: {error}"
    return f"is {found}, not a safetensors file of weights{advise_unpacking(found, path)}"


def _describe(what: str, data: mmap.mmap, start: int, entry: Mapping[str, Any]) -> StoredTensor:
    return StoredTensor(tuple(entry["shape"]), entry["dtype"], partial(_view, what, data, start, entry))


@raising(ModelError)
def _view(what: str, data: mmap.mmap, start: int, entry: Mapping[str, Any]) -> Array:
    """A tensor where it lies; a copy only where its bytes begin at no multiple of their number's size."""
    stored, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if stored not in TYPES:
        refuse_type(what, stored)
    dtype = np.dtype(TYPES[stored])
    count = (last - first) // dtype.itemsize
    array = np.frombuffer(data, dtype, count, start + first) if count else np.empty(0, dtype)
    if stored == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    try:
        shaped = array.reshape(shape)
    except ValueError as error:  # too many axes; or one that is too long, beside an empty one
        raise ModelError(f"{what} has a shape that no array has: {error}") from error
    return check_finite(what, np.require(shaped, requirements="A"))


def _order_header(data: bytes) -> tuple[bytes, memoryview]:
    """Order the header: safetensors writes the metadata in an order that changes from run to run; equal weights must
    give equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    found = json.loads(data[8:end])
    found[METADATA] = dict(sorted(found.get(METADATA, {}).items()))
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[end:]
