"""Tensors of a checkpoint in a safetensors file, of any type, each copied to the CPU alone, and what was written.

Weights that a person gets are written by `runtime.weights.safetensors_file`, which refuses what no weights are; a
checkpoint keeps whatever an optimizer keeps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from archspec.errors import ModelError
from archspec.extras import extra

with extra("train"):
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from torch import Tensor

TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""The names that safetensors has for torch's types."""

MAX_READ_BYTES = 1 << 20
"""The largest number of bytes of a file that are read at a time."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The length of a file in bytes, and the SHA-256 of its content in hexadecimal digits."""

    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> StoredFile:
        """Read a file through. Raises OSError."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(MAX_READ_BYTES):
                digest.update(block)
            return cls(file.tell(), digest.hexdigest())


def write_bytes(path: Path, *parts: bytes | memoryview) -> StoredFile:
    """Write parts of a file one behind the other and sync it. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("xb") as file:
        for part in parts:
            file.write(part)
            digest.update(part)
        file.flush()
        os.fsync(file.fileno())
        return StoredFile(file.tell(), digest.hexdigest())


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> StoredFile:
    """Write tensors by name, of any device, and sync the file. Equal tensors give equal bytes. Raises OSError."""
    header, place = {}, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": TYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [place, place + size],
        }
        place += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return write_bytes(path, len(text).to_bytes(8, "little"), text, *map(_view_bytes, tensors.values()))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors by name, to the CPU. Raises ModelError where the file holds none."""
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{path} is not a safetensors file: {error}") from error


def _view_bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy().data) if flat.numel() else memoryview(b"")
