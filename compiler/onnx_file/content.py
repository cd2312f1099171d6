"""The content of an ONNX file, as `compiler.onnx_file.digest` defines it: what it says that it is, what it is, and what
nobody can make another file of."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import onnx

from archspec.errors import ArchspecError, ModelError, raising
from compiler.onnx_file.digest import (
    XXH3,
    Algorithm,
    Hash,
    describe,
    digest_content,
    digest_model,
    digest_stored,
    is_content,
)
from compiler.onnx_file.external import check_external_data, is_external, read_place
from compiler.onnx_file.metadata import CONTENT
from compiler.onnx_file.protobuf import Bytes, WireField
from compiler.onnx_file.skim import count_bytes, list_metadata, read_reduced, split_numbers

CHUNK = 1 << 20
"""The number of bytes of another file that are read at a time."""


@dataclass(frozen=True, slots=True)
class Content:
    """The hash of a file as `found`, and the one that it has `said` since it was written (None: it says nothing)."""

    found: str
    said: str | None

    @property
    def comparable(self) -> bool:
        """True if the file says its content by the hash that was computed."""
        return self.said is not None and is_content(self.said)


@raising(ModelError)
def read_content(path: Path) -> Content:
    """Compute the content of an ONNX file; every number is read, those in other files too.

    Raises ModelError where it is no ONNX file, or has numbers in a place that is not plainly beside it.
    """
    model, described = _read_described(path, XXH3)
    said = CONTENT.read(list_metadata(model))
    return Content(digest_content(model, described, partial(_digest_tensor, path.parent)), said)


@raising(ModelError)
def read_fingerprint(path: Path) -> str:
    """Compute SHA-256 over the same canonical form, for where a file that was made to have another's content must not
    be taken for that.

    Raises ModelError as `read_content` does.
    """
    model, described = _read_described(path, hashlib.sha256)
    return digest_model(model, hashlib.sha256, described, partial(_digest_tensor, path.parent))


def _read_described(path: Path, algorithm: Algorithm) -> tuple[onnx.ModelProto, list[bytes]]:
    """The model in a file without its large stored tensors, and the canonical form of each of these."""
    described: list[bytes] = []
    model, _ = read_reduced(path, lambda data, field: _set_aside(data, field, described, algorithm))
    check_external_data(model, path)
    return model, described


def _set_aside(data: Bytes, field: WireField, described: list[bytes], algorithm: Algorithm) -> bytes:
    """Give nothing for a stored tensor whose numbers are bytes in the file, which goes to `described`; any other
    stays."""
    split = split_numbers(data, field)
    if split is None:
        return data[field.key : field.end]
    tensor, place = split
    with memoryview(data) as whole, whole[place.start : place.end] as numbers:
        described.append(describe(tensor, algorithm(numbers).digest()))
    return b""


def _digest_tensor(folder: Path, tensor: onnx.TensorProto, algorithm: Algorithm) -> bytes | None:
    """The hash of the numbers of a tensor of a file in `folder`, wherever they are."""
    if not is_external(tensor):
        return digest_stored(tensor, algorithm)
    place = read_place(tensor)
    return _digest_bytes(folder / place.location, place.offset, place.length or count_bytes(tensor), algorithm(b""))


def _digest_bytes(path: Path, start: int, due: int | None, digest: Hash) -> bytes:
    """The hash of `due` bytes of a file (None: all) from `start` on. It is read, not mapped: another may cut it off."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            while piece := file.read(CHUNK if due is None else min(CHUNK, due)):
                digest.update(piece)
                due = None if due is None else due - len(piece)
    except OSError as error:
        raise ArchspecError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.digest()
