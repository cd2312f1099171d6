"""TIFF stacks: the pages of one file as a volume, by tifffile."""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import numpy as np

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.wording import cut, list_some, shorten_bytes
from runtime.data.volumes.volume import Space, Volume, check_extents

with extra("volumes"):
    import tifffile

PLANES = "ZIQ"
"""The letters that tifffile gives an axis of planes: depth, a sequence of pages, or one that nobody named."""

CHANNELS = "CS"
"""The letters of an axis of channels, or of samples of a pixel."""

KINDS = "buif"
"""The letters of numpy's types that are read."""

MAX_PAGES = 1 << 15
"""The largest number of pages of a file."""

DEFLATE = (8, 32946)
"""The numbers of the compression that Python unpacks itself; all others but none want the package imagecodecs."""

MAX_COMPLAINT = 200
"""The largest number of letters of what tifffile says of a broken file."""

PLAIN = 1
"""The number of no compression."""

SIZE = re.compile(r'PhysicalSize([XYZ])="([0-9.eE+-]{1,32})"')
"""The place of the size of a voxel in OME's description."""


def read_tiff(path: str) -> Volume:
    """Read a TIFF stack: pages as depth, rows as height and columns as width, as they are stored, and the spacing where
    ImageJ or OME wrote it.

    Raises InputError, naming the file, where it is broken, no single stack, or too large.
    """
    with _opening(path) as file:
        series = _find_series(path, file)
        order, extents, channels = _find_axes(path, series)
        check_extents(path, extents, channels)
        _check_segments(path, series)
        stored = series.asarray(squeeze=True)
        return Volume(path, _turn(stored, order), Space(spacing=_find_spacing(file)))


def peek_tiff(path: str) -> tuple[int, tuple[int, ...]]:
    """Tell the channels of a TIFF stack, and its depth, height and width, without unpacking it. Raises InputError as
    `read_tiff` does."""
    with _opening(path) as file:
        _, extents, channels = _find_axes(path, _find_series(path, file))
        check_extents(path, extents, channels)
        return channels, extents


@contextmanager
def _opening(path: str) -> Iterator[tifffile.TiffFile]:
    """An open file. Raises InputError for whatever a broken one leads tifffile into."""
    try:
        # _multifile: OME's description can name other files, which are nobody's business
        with _refusing_complaints(path), tifffile.TiffFile(path, _multifile=False) as file:
            yield file
    except ArchspecError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} is too large a volume for the memory that there is") from error
    except Exception as error:  # a broken file leads tifffile into ValueError, struct.error, KeyError, ...
        raise InputError(f"{path} is a broken TIFF file: {str(error) or type(error).__name__}") from error


@contextmanager
def _refusing_complaints(path: str) -> Iterator[None]:
    """Raise InputError where tifffile logs an error and goes on: it gives what it could read of a broken file."""
    complaints: list[str] = []
    log, handler = logging.getLogger("tifffile"), logging.Handler(logging.ERROR)
    handler.emit = lambda record: complaints.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    before, log.propagate = log.propagate, False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.propagate = before
    if complaints:
        raise InputError(f"{path} is a broken TIFF file: {cut(complaints[0], MAX_COMPLAINT)}")


def _find_series(path: str, file: tifffile.TiffFile) -> Any:
    if len(file.series) != 1:
        shapes = list_some([" by ".join(map(str, series.shape)) for series in file.series])
        raise InputError(f"{path} holds {len(file.series)} images ({shapes}): expected one stack of pages of one size")
    series = file.series[0]
    if len(series.pages) > MAX_PAGES:
        raise InputError(f"{path} has {len(series.pages):,} pages, and at most {MAX_PAGES:,} are read")
    dtype = np.dtype(series.dtype)
    if dtype.kind not in KINDS or dtype.itemsize > 8:
        raise InputError(f"{path} holds {dtype}, and volumes are read of whole or of floating-point numbers")
    return series


def _find_axes(path: str, series: Any) -> tuple[list[int], tuple[int, ...], int]:
    """The numbers of the file's axes in the order (channels, depth, height, width), the extents and the channels."""
    letters, shape = series.get_axes(squeeze=True), series.get_shape(squeeze=True)
    depths = PLANES if len(letters) > 3 else PLANES + "CT"  # of three axes, the third is depth, whatever its letter
    planes = [number for number, letter in enumerate(letters) if letter in depths]
    across = [number for number, letter in enumerate(letters) if letter in CHANNELS and number not in planes]
    rows, columns = letters.find("Y"), letters.find("X")
    if (
        len(letters) > 4
        or len(planes) != 1
        or len(across) > 1
        or len(letters) - len(across) != 3
        or min(rows, columns) < 0
    ):
        found = " by ".join(f"{extent} {letter}" for extent, letter in zip(shape, letters, strict=True))
        raise InputError(
            f"{path} is {found} (Y and X are rows and columns, Z planes, C and S channels, T times): expected a stack "
            "of pages, with channels at most"
        )
    order = [*across, *planes, rows, columns]
    return order, tuple(shape[axis] for axis in order[len(across) :]), shape[across[0]] if across else 1


def _turn(stored: Array, order: list[int]) -> Array:
    turned = stored.transpose(order)
    return turned if turned.ndim == 4 else turned[None]


def _check_segments(path: str, series: Any) -> None:
    """Raises InputError where the parts of a file hold more or less than its pages are large, before they are unpacked
    as a whole: a few bytes can stand for gigabytes."""
    plain, whole = 0, os.path.getsize(path)
    for page in series.pages:
        page = page.aspage() if page is not None else None
        if page is None:
            continue
        if page.compression != PLAIN and page.compression not in DEFLATE:
            continue  # imagecodecs unpacks into arrays of the right size, and is asked for by tifffile where it lacks
        most = prod(page.chunks) * page.dtype.itemsize
        if page.compression == PLAIN:
            plain += page.nbytes
            continue
        for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            page.parent.filehandle.seek(start)
            stream = zlib.decompressobj()
            if len(stream.decompress(page.parent.filehandle.read(min(count, whole)), most + 1)) > most:
                raise InputError(
                    f"{path} is a broken TIFF file: a part of it unpacks to more than {shorten_bytes(most)}"
                )
    if plain > whole:
        raise InputError(
            f"{path} is a broken TIFF file: its pages take {shorten_bytes(plain)}, in a file of {shorten_bytes(whole)}"
        )


def _find_spacing(file: tifffile.TiffFile) -> tuple[float, ...] | None:
    """Depth, height and width of a voxel as ImageJ or OME wrote them, in the unit that they wrote; None where one is
    not there."""
    sizes: dict[str, float] = {}
    page = file.pages.first
    if file.is_imagej:
        sizes["Z"] = float((file.imagej_metadata or {}).get("spacing", 0))
        for letter, tag in (("X", "XResolution"), ("Y", "YResolution")):
            per, unit = page.tags[tag].value if tag in page.tags else (0, 1)
            sizes[letter] = unit / per if per else 0.0
    elif file.is_ome:
        sizes = {letter: float(size) for letter, size in SIZE.findall(page.description)}
    found = tuple(sizes.get(letter, 0.0) for letter in "ZYX")
    return found if all(np.isfinite(size) and size > 0 for size in found) else None
