"""What an optimized file says of where it comes from, so that nobody takes it for more.

Its metadata are those of the model that it was made from, with the model's fingerprint, and with the length and time
of every file of the two: as long as these are the same, no number is read. The last field seals it all: the hash of
the bytes before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

from archspec.errors import ModelError
from archspec.extras import extra
from archspec.files import check_is_file
from archspec.strict_json import check_keys
from archspec.wording import cut_middle
from compiler.onnx_file.metadata import CONTENT, FILES, FINGERPRINT, OPTIMIZED, SEAL
from runtime.session.model_file import read_state

with extra("run"):
    import onnx

    from compiler.onnx_file.protobuf import delimit
    from compiler.onnx_file.skim import METADATA_FIELD, read_metadata

T = TypeVar("T")

States: TypeAlias = tuple[tuple[int, int], ...]
"""The length of each file, and its time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The origin of an optimized file, by its own word: for which runtime and processor it is, content and fingerprint
    of the model that it was made from, what that model's files were, and by name what its own data are, with their
    hashes.

    The model's files have no names here: they may change, and what is named is taken to be in use.
    """

    tied: str
    content: str
    fingerprint: str
    model: States
    names: tuple[str, ...] = ()
    data: States = ()
    hashes: tuple[str, ...] = ()


def write_provenance(path: Path, facts: Provenance, data: tuple[str, ...]) -> None:
    """Have a file that has its model's metadata say the rest, and that its own data lie in files of these names."""
    states, hashes = list_states(path, data), _list_hashes(path, data)
    files = {"model": facts.model, "names": data, "data": states, "hashes": hashes}
    # Fields of a message may come in any order, and behind the others.
    added = OPTIMIZED.write(facts.tied) | FINGERPRINT.write(facts.fingerprint) | FILES.write(files)
    body = path.read_bytes() + b"".join(_add(key, value) for key, value in added.items())
    path.write_bytes(body + _seal(body))


def read_provenance(path: Path, *, trust_times: bool = True) -> Provenance:
    """Read what an optimized file says of its origin. Raises ModelError where it or its data are not what was written;
    unless times are trusted, every number of these is read."""
    metadata = read_metadata(path)
    whole = path.read_bytes()
    body = whole[: -len(_seal(b""))]
    if whole != body + _seal(body) or not {OPTIMIZED, CONTENT, FINGERPRINT, FILES} <= metadata.keys():
        raise ModelError("it is not what was written")
    files = check_keys(FILES.read(metadata), FILES, ("model", "names", "data", "hashes"))
    names, hashes = (_read_row(files[key], str) for key in ("names", "hashes"))
    facts = Provenance(
        metadata[OPTIMIZED],
        metadata[CONTENT],
        metadata[FINGERPRINT],
        _read_states(files["model"]),
        names,
        _read_states(files["data"]),
        hashes,
    )
    found = _list_plain(path, names)
    same = trust_times and found == facts.data
    lengths = [[length for length, _ in states] for states in (found, facts.data)]
    if not same and (lengths[0] != lengths[1] or _list_hashes(path, names) != hashes):
        raise ModelError("its data are not what was written")
    return facts


def list_states(path: Path, names: Iterable[str]) -> States:
    """List the states of files beside `path`. Raises ModelError where one is not there."""
    return tuple(read_state(os.path.join(path.parent, name)).written for name in names)


def _list_plain(path: Path, names: Sequence[str]) -> States:
    """List the paths of names that a file gives. Raises ArchspecError where one is of no regular file in that very
    folder: a pipe is waited for, and a device may have no end."""
    for name in names:
        if os.path.basename(name) != name:
            raise ModelError(f"{FILES} names {cut_middle(repr(name), 80)}, which is not in its folder")
        check_is_file(path.parent / name)
    return list_states(path, names)


def _list_hashes(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    """List the hashes of the bytes of files beside `path`. Raises ArchspecError where one cannot be read."""
    found = []
    for name in names:
        try:
            with open(path.parent / name, "rb") as file:
                found.append(hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise ModelError(f"cannot read {path.parent / name}: {error.strerror}") from error
    return tuple(found)


def _add(key: str, value: str) -> bytes:
    entry = onnx.StringStringEntryProto(key=key, value=value)
    return delimit(METADATA_FIELD, entry.SerializeToString(deterministic=True))


def _seal(body: bytes) -> bytes:
    return _add(SEAL, hashlib.sha256(body).hexdigest())


def _read_states(value: object) -> States:
    return tuple((row[0], row[1]) for row in (_read_row(item, int) for item in _read_row(value, list)) if len(row) == 2)


def _read_row(value: object, kind: type[T]) -> tuple[T, ...]:
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        raise ModelError(f"{FILES} is malformed")
    return tuple(value)
