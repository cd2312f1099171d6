"""Arrays from .npy files, in the type that a model takes."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.files import check_is_file

KINDS = {"f": "floating-point numbers", "i": "whole numbers", "u": "whole numbers", "b": "truth values"}
"""The kinds of numbers of the arrays that a model takes, by the letter of numpy's types."""


def load_array(path: str | Path, dtype: npt.DTypeLike = np.float32) -> Array:
    """Read a .npy in the type that a model takes and the shape that it has, rounded where the type is a narrower one.

    Raises ArchspecError for what is no .npy, holds numbers of another kind, or one that is not finite or does not fit.
    """
    return read_numbers(map_array(path, dtype), path, dtype)


def map_array(path: str | Path, dtype: npt.DTypeLike = np.float32) -> Array:
    """Open a .npy of the kind of numbers that `dtype` is of, which stays in its file until it is read. Raises
    InputError that names what is wrong."""
    found, wanted = map_numbers(path), np.dtype(dtype).kind
    if KINDS.get(found.dtype.kind) != KINDS[wanted]:
        held = "preprocessed floating-point numbers" if wanted == "f" else KINDS[wanted]
        raise InputError(f"{path} holds {found.dtype}; a .npy must hold {held}")
    return found


def map_numbers(path: str | Path) -> Array:
    """Open a .npy of any type of numbers as `map_array` does. Raises InputError."""
    check_is_file(path)
    try:
        # Mapped, not read: a header that promises more than the file holds is refused before memory is taken.
        with open(path, "rb") as file:
            start = file.read(len(np.lib.format.MAGIC_PREFIX))
        if start.startswith(b"PK\3\4"):
            raise InputError(f"{path} holds several arrays (.npz); give one .npy")
        if start != np.lib.format.MAGIC_PREFIX:
            raise InputError(f"{path} is not a readable .npy file: it does not begin as one")
        found = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TokenError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} is not a readable .npy file: {reason}") from error
    if found.dtype.kind not in KINDS:
        raise InputError(f"{path} holds {found.dtype}; a .npy must hold numbers")
    return found


def read_numbers(found: Array, path: str | Path, dtype: npt.DTypeLike = np.float32) -> Array:
    """Read the numbers of a file in the type that a model takes. Raises InputError where one is not finite or does not
    fit."""
    try:
        if not np.isfinite(found).all():
            raise InputError(f"{path} holds infinite numbers or NaN")
        return cast(found, dtype, str(path))
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory: it holds {found.size:,} numbers") from error


def cast(values: Array, dtype: npt.DTypeLike, what: str) -> Array:
    """Copy numbers to another type of the same kind, as the rows of its memory follow each other; each is rounded to
    the nearest that the type has.

    Raises ArchspecError, which begins with `what`, where one is larger than the type can hold.
    """
    type_ = np.dtype(dtype)
    with np.errstate(over="ignore"):
        found = np.array(values, dtype=type_, order="C")
    if type_.kind == "f":
        largest, lost = np.finfo(type_).max, np.isinf(found) & np.isfinite(values)
    elif type_.kind in "iu":
        limits = np.iinfo(type_)
        largest, lost = limits.max, (values < limits.min) | (values > limits.max)
    else:
        return found
    if lost.any():
        advice = ": export with --io fp32" if type_ == np.float16 else ""
        one = np.asarray(values)[lost][0]
        raise InputError(f"{what} holds {_tell(one)}, which {type_} cannot hold (largest {_tell(largest)}){advice}")
    return found


def _tell(number: Any) -> str:
    """Tell whole numbers to their last digit, since a limit is missed by one."""
    return str(number) if isinstance(number, int | np.integer) else f"{number:.6g}"
