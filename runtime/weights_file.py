"""Weights in a safetensors file: written whole or not at all, read where they lie.

The format (https://github.com/huggingface/safetensors#format): the length of a header as eight bytes; the header as
JSON, with each tensor's type, shape and extent; and the tensors' bytes without gaps.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import check_is_file, write_whole
from compiler.finite import is_finite
from runtime.extras import extra
from runtime.strict_json import read_json

with extra("train"):
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import save

Array = npt.NDArray[Any]

METADATA = "__metadata__"
BFLOAT16 = "BF16"
TYPES = {
    "BOOL": "?",
    **{f"{kind}{8 * size}": f"<{kind.lower()}{size}" for kind in "IU" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
    BFLOAT16: "<u2",
}
"""numpy's names of the stored types; bfloat16, which numpy has not, is read as the upper half of a float32."""


def save_weights(path: str | Path, state: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Write arrays or CPU tensors by name, and strings by name into the header; the file appears whole or not at all.

    Raises ArchspecError where a weight is not finite, or the file cannot be written.
    """
    arrays = {name: np.asarray(value, order="C") for name, value in state.items()}
    for name, array in arrays.items():
        _check_finite(path, name, array)
    header, body = _order_header(save(arrays, metadata=dict(metadata)))
    with write_whole(path) as temporary, temporary.open("wb") as file:
        file.write(header)
        file.write(body)


def load_weights(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays by name, in the file's order of names, and the header's strings.

    The arrays are views of the mapped file: their pages are read when they are used, and take no memory that the system
    could not have back. What is written to them stays in this process. Numbers keep their type, but bfloat16 becomes
    float32. The file may be replaced while it is in use, as this program does it, but not cut off: the system then ends
    the process (SIGBUS).

    Raises ArchspecError where the file is missing, cut off, of another kind, or holds infinite numbers or NaN.
    """
    check_is_file(path)
    try:
        with safe_open(str(path), framework="numpy") as file:  # which holds the header against the file
            metadata = dict(sorted((file.metadata() or {}).items()))
            names = list(file.keys())
        with Path(path).open("rb") as opened:
            data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        raise ArchspecError(f"{path} is not a safetensors file of weights, or it is cut off: {error}") from error
    start = 8 + int.from_bytes(data[:8], "little")
    # safetensors checks all but this: a name that stands twice, of which different readers take another one
    header = read_json(data[8:start], f"the header of {path}")
    arrays = {name: _view(path, name, data, start, header[name]) for name in names}
    for name, array in arrays.items():
        _check_finite(path, name, array)
    return arrays, metadata


def _view(path: str | Path, name: str, data: mmap.mmap, start: int, entry: Mapping[str, Any]) -> Array:
    """A tensor where it lies; a copy only where its bytes begin at no multiple of their number's size."""
    stored, shape, (first, last) = entry["dtype"], entry["shape"], entry["data_offsets"]
    if stored not in TYPES:
        raise ArchspecError(f"{path}: the weight '{name}' is stored as {stored} (known: {', '.join(TYPES)})")
    dtype = np.dtype(TYPES[stored])
    count = (last - first) // dtype.itemsize
    array = np.frombuffer(data, dtype, count, start + first) if count else np.empty(0, dtype)
    if stored == BFLOAT16:
        array = (array.astype(np.uint32) << 16).view(np.float32)
    return np.require(array.reshape(shape), requirements="A")


def _check_finite(path: str | Path, name: str, array: Array) -> None:
    if not is_finite(array):
        raise ArchspecError(f"{path}: the weight '{name}' holds infinite numbers or NaN")


def _order_header(data: bytes) -> tuple[bytes, memoryview]:
    """safetensors writes the metadata in an order that changes from run to run; equal weights must give equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    found = json.loads(data[8:end])
    found[METADATA] = dict(sorted(found.get(METADATA, {}).items()))
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, memoryview(data)[end:]
