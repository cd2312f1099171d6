"""NIfTI files (.nii, .nii.gz): the header by nibabel, the values only as far as it promises them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.wording import shorten_bytes
from runtime.data.idx import MAX_DEFLATE_RATIO
from runtime.data.volumes.volume import Orientation, Space, Volume, check_extents

with extra("volumes"):
    from nibabel import Nifti1Header, Nifti2Header
    from nibabel.orientations import inv_ornt_aff, io_orientation
    from nibabel.spatialimages import HeaderDataError

GZIP_MARK = b"\x1f\x8b"

MAGICS = {348: (344, b"n+1\0", b"ni1\0"), 540: (4, b"n+2\0", b"ni2\0")}
"""By the number of bytes of a header: where its magic word stands, and the words of one file and of a pair."""

MAX_CHUNK = 1 << 20
"""The number of bytes that are read at a time."""

MAX_OFFSET = 1 << 24
"""The largest number of bytes between the header and the values, where extensions stand."""

KINDS = "buif"
"""The letters of numpy's types that are read: truth values, whole and floating-point numbers."""


def read_nifti(path: str) -> Volume:
    """Read a NIfTI file: its values, with the header's scaling, turned to depth (upward), height (forward) and width
    (to the right). No voxel is interpolated, also where the axes lie at an angle.

    Raises InputError, naming the file, where it is broken, holds no volume, or promises more than it has.
    """
    with _blaming(path), _open(path) as file:
        block, header = _read_header(path, file)
        extents, channels = _find_shape(path, header)
        dtype = _find_dtype(path, header)
        skipped, count = _find_offset(path, header, len(block)), int(np.prod((*extents, channels), dtype=np.int64))
        _check_promise(path, skipped + count * dtype.itemsize)
        file.read(skipped - len(block))
        flat = _read_values(path, file, count, dtype)
        space = _find_space(path, header, extents)
    stored = np.moveaxis(flat.reshape(*extents, channels, order="F"), -1, 0)
    return Volume(path, space.orientation.from_file(_scale(header, stored)), space, block)


def peek_nifti(path: str) -> tuple[int, tuple[int, ...]]:
    """Tell the channels of a NIfTI file, and its depth, height and width, by its header alone. Raises InputError as
    `read_nifti` does."""
    with _blaming(path), _open(path) as file:
        _, header = _read_header(path, file)
        extents, channels = _find_shape(path, header)
        axes = _find_space(path, header, extents).orientation.axes
    return channels, tuple(extents[axis] for axis in axes)


def parse_header(block: bytes) -> Any:
    """Give nibabel's header of the bytes with which a NIfTI file begins, unchecked."""
    order = "<" if int.from_bytes(block[:4], "little") == len(block) else ">"
    return (Nifti1Header if len(block) == 348 else Nifti2Header)(block, order, check=False)


@contextmanager
def _open(path: str) -> Iterator[IO[bytes]]:
    """The file's content, unpacked where it is packed."""
    with open(path, "rb") as plain:
        packed = plain.read(2) == GZIP_MARK
        plain.seek(0)
        with gzip.GzipFile(fileobj=plain) if packed else plain as file:
            yield file  # type: ignore[misc]  # GzipFile reads bytes as any binary file does


@contextmanager
def _blaming(path: str) -> Iterator[None]:
    """Raise InputError for whatever a broken file leads gzip and nibabel into: OSError, EOFError, KeyError, ..."""
    try:
        yield
    except ArchspecError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} is too large a volume for the memory that there is") from error
    except Exception as error:
        raise InputError(f"{path} is a broken NIfTI file: {str(error) or type(error).__name__}") from error


def _read_header(path: str, file: IO[bytes]) -> tuple[bytes, Any]:
    start = file.read(348)
    size = {int.from_bytes(start[:4], order) for order in ("little", "big")} & MAGICS.keys()
    if not size:
        raise InputError(f"{path} is no NIfTI file: it does not begin as one")
    (length,) = size
    block = start + file.read(length - 348)
    at, single, pair = MAGICS[length]
    if block[at : at + 4] == pair:
        raise InputError(f"{path} is half of a pair (.hdr, .img): save it as one file, .nii or .nii.gz")
    if len(block) < length or block[at : at + 4] != single:
        raise InputError(f"{path} is a broken NIfTI file: its header is not whole (magic {block[at : at + 4]!r})")
    return block, parse_header(block)


def _find_shape(path: str, header: Any) -> tuple[tuple[int, ...], int]:
    """The file's three extents and the number of channels: the fourth axis, or the fifth of vectors."""
    rank, *dims = (int(value) for value in header["dim"])
    if not 1 <= rank <= 7:
        raise InputError(f"{path} is a broken NIfTI file: it says that it has {rank} axes")
    extents = dims[:rank]
    while len(extents) > 3 and extents[-1] == 1:
        extents.pop()
    if len(extents) == 5 and extents[3] == 1:
        del extents[3]
    if len(extents) == 2:
        extents.append(1)
    if len(extents) not in (3, 4):
        shape = " by ".join(map(str, extents))
        raise InputError(f"{path} is {shape}: expected three axes, or a fourth of channels")
    channels = extents.pop() if len(extents) == 4 else 1
    check_extents(path, extents, channels)
    return tuple(extents), channels


def _find_dtype(path: str, header: Any) -> np.dtype[Any]:
    try:
        dtype: np.dtype[Any] = np.dtype(header.get_data_dtype())
    except (HeaderDataError, KeyError):
        raise InputError(f"{path} holds numbers of an unknown type ({int(header['datatype'])})") from None
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise InputError(f"{path} holds {dtype}, and volumes are read of whole or of floating-point numbers of 64 bits")
    return dtype


def _find_offset(path: str, header: Any, least: int) -> int:
    found = float(header["vox_offset"])
    if not (least <= found <= MAX_OFFSET and found.is_integer()):
        raise InputError(f"{path} is a broken NIfTI file: it says that its values begin at byte {found:g}")
    return int(found)


def _check_promise(path: str, size: int) -> None:
    """Raises InputError where a file cannot hold so many bytes, before memory is taken for them."""
    with open(path, "rb") as file:
        ratio = MAX_DEFLATE_RATIO if file.read(2) == GZIP_MARK else 1
    if os.path.getsize(path) * ratio < size:
        found = shorten_bytes(os.path.getsize(path))
        raise InputError(
            f"{path} is a broken NIfTI file: its header promises {shorten_bytes(size)}, in a file of {found}"
        )


def _read_values(path: str, file: IO[bytes], count: int, dtype: np.dtype[Any]) -> Array:
    """Read so many values and no byte more, whatever a packed file holds behind them."""
    values = np.empty(count, dtype)
    view, done = values.view(np.uint8).data, 0
    while done < len(view):
        piece = file.read(min(MAX_CHUNK, len(view) - done))
        if not piece:
            raise InputError(f"{path} is a broken NIfTI file: it ends after {done:,} of {len(view):,} bytes of values")
        view[done : done + len(piece)] = piece
        done += len(piece)
    return values.astype(dtype.newbyteorder("="), copy=False)


def _scale(header: Any, values: Array) -> Array:
    """Apply the header's slope and intercept; values stay of their type where there are none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite([slope, intercept]).all() or slope == 0 or (slope, intercept) == (1, 0):
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(values.astype(np.float64) * slope + intercept, np.float32)


def _find_space(path: str, header: Any, extents: tuple[int, ...]) -> Space:
    """The place of the file's axes, by its sform or else its qform; as stored where it has neither."""
    said = header["sform_code"] > 0 or header["qform_code"] > 0
    zooms = tuple(float(abs(size)) for size in header["pixdim"][1:4])
    if not said:
        known = all(np.isfinite(size) and size > 0 for size in zooms)
        return Space(Orientation((2, 1, 0)), zooms[::-1] if known else None)
    affine: Float64Array = np.asarray(header.get_best_affine(), np.float64)
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or min(sizes) <= 0 or abs(np.linalg.det(affine[:3, :3] / sizes)) < 1e-3:
        raise InputError(f"{path} is a broken NIfTI file: its header (sform or qform) lays several axes on one line")
    places = io_orientation(affine)
    by_canonical = {int(place): (own, bool(step < 0)) for own, (place, step) in enumerate(places)}
    turns = [by_canonical[axis] for axis in (2, 1, 0)]
    orientation = Orientation(tuple(own for own, _ in turns), tuple(flip for _, flip in turns))
    straight = affine @ inv_ornt_aff(places, extents)
    return Space(orientation, tuple(float(sizes[own]) for own, _ in turns), straight[:, [2, 1, 0, 3]])
