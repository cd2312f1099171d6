"""How samples are read, as one digest: by all that they say of themselves, and by the state of their files."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from archspec.errors import InputError
from runtime.data.dataset import Samples
from runtime.data.sized import list_files


def digest_samples(samples: Samples, *more: object) -> str:
    """Compute a digest of samples and of more that matters: it changes with the name, the length and the time of any of
    their files, and with anything by which they are read.

    Raises InputError where a file is missing, or the samples consist of what cannot be written down.
    """
    digest = hashlib.sha256()
    for part in _write((samples, *more)):
        digest.update(part)
    for index in range(len(samples)):
        for path in list_files(samples, index):
            try:
                state = os.stat(path)
            except OSError as error:
                raise InputError(f"cannot read {path}: {error.strerror}") from error
            digest.update(f"{path.name}\0{state.st_size}\0{state.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _write(value: object) -> Iterator[bytes]:
    """Write down a value, so that two that differ are written differently."""
    yield f"{type(value).__qualname__}(".encode()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield f"{field.name}=".encode()
            yield from _write(getattr(value, field.name))
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        yield f"{value.dtype.str}{value.shape}".encode()
        yield value.tobytes()
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _write(key)
            yield from _write(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _write(item)
    elif value is None or isinstance(value, bool | int | float | str | Path | np.generic):
        yield repr(value).encode(errors="surrogatepass")
    else:
        raise InputError(
            f"cache: disk keeps samples that can be told from others, and a {type(value).__qualname__} is among what "
            "these consist of: take --cache ram, or off"
        )
    yield b")"
