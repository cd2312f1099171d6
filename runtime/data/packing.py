"""Samples packed into one file that all processes map: their bytes behind each other, and where each of them begins.

The file is one in memory without a name, or one in a folder. Behind the samples stand their beginnings and the numbers
of their layouts, behind these a description in JSON, then the length of that, and MAGIC.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.strict_json import read_json
from runtime.data.batches import SampleDraw
from runtime.data.fetching import ReadFailure
from runtime.data.sized import SizedSamples

with extra("train"):
    import torch
    from torch import Tensor

MAGIC = b"archspec samples, form 1"
"""The last bytes of a file of packed samples."""

ALIGNMENT = 8
"""The number of bytes that the beginning of each array divides by: that of the widest numbers in it."""

BAD = 0xFFFF_FFFF
"""The number of the layout of a sample that could not be read."""

NUMBERS = "biuf"
"""The kinds of numbers that are packed, by numpy's letters."""


class SampleLayout(NamedTuple):
    """The types, by numpy's names, and the shapes of an image and of what is stored of it."""

    image: str
    image_shape: tuple[int, ...]
    target: str
    target_shape: tuple[int, ...]

    @classmethod
    def of(cls, image: Array, target: Array) -> SampleLayout:
        """The layout of a sample."""
        return cls(image.dtype.name, image.shape, target.dtype.name, target.shape)

    @property
    def target_start(self) -> int:
        """The place of what is stored of the image, in bytes from the beginning of that."""
        return _align(_count_bytes(self.image, self.image_shape))

    @property
    def size(self) -> int:
        """The number of bytes of a sample, up to the beginning of the next."""
        return self.target_start + _align(_count_bytes(self.target, self.target_shape))


@dataclass(frozen=True, slots=True, eq=False)
class PackedChunk:
    """Some samples as bytes behind each other, and for each its layout, or why it could not be read."""

    data: Tensor
    layouts: tuple[SampleLayout | str, ...]


@dataclass(frozen=True, eq=False)
class ChunkFetcher:
    """What a `torch.utils.data.DataLoader` takes as its data set to pack samples: it gives whole chunks.

    With `skip_bad` a sample that cannot be read leaves its reason in the chunk.
    """

    samples: SizedSamples
    skip_bad: bool = False

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, draws: Sequence[SampleDraw]) -> PackedChunk | ReadFailure:
        arrays: list[Array] = []
        layouts: list[SampleLayout | str] = []
        for draw in draws:
            try:
                image, target = self.samples.read(draw.sample)
                if target.dtype.kind not in NUMBERS:
                    raise InputError(f"{self.samples.name(draw.sample)}: what is asked of it is not made of numbers")
            except ArchspecError as error:
                if not self.skip_bad:
                    return ReadFailure(str(error))
                layouts.append(str(error))
                continue
            arrays += [image, target]
            layouts.append(SampleLayout.of(image, target))
        data = np.zeros(sum(_align(array.nbytes) for array in arrays), np.uint8)
        start = 0
        for array in arrays:
            data[start : start + array.nbytes] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            start += _align(array.nbytes)
        return PackedChunk(torch.from_numpy(data), tuple(layouts))


@dataclass(eq=False)
class PackWriter:
    """Writes chunks of samples in order into a file, which begins where it stands."""

    file: BinaryIO
    size: int = 0
    starts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    layouts: dict[SampleLayout, int] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)

    def add(self, chunk: PackedChunk) -> None:
        """Write a chunk. Raises OSError."""
        for layout in chunk.layouts:
            self.starts.append(self.size)
            if isinstance(layout, str):
                self.bad[len(self.numbers)] = layout
                self.numbers.append(BAD)
            else:
                self.numbers.append(self.layouts.setdefault(layout, len(self.layouts)))
                self.size += layout.size
        self.file.write(chunk.data.numpy().data)

    def finish(self, key: str) -> None:
        """Write where all begins, and the key by which the samples are found again. Raises OSError."""
        described = {"key": key, "count": len(self.starts), "layouts": list(self.layouts), "bad": self.bad}
        text = json.dumps(described).encode()
        self.file.write(np.array(self.starts, np.int64).tobytes() + np.array(self.numbers, np.uint32).tobytes())
        self.file.write(text + struct.pack("<q", len(text)) + MAGIC)
        self.file.flush()


class PackedSamples:
    """Samples that were packed into a file: reading one copies nothing, and the bytes are shared by all processes.

    `names` are the samples that know what each is called; processes that are started anew do not have them. Raises
    ModelError or InputError where the file is not whole.
    """

    is_foreign = False

    def __init__(self, file: int, names: SizedSamples | None) -> None:
        self._file, self.names = file, names
        self._map = mmap.mmap(file, 0, access=mmap.ACCESS_READ)
        described, end = _read_description(self._map)
        self.key: str = described["key"]
        self._bad = {int(index): str(reason) for index, reason in described["bad"].items()}
        self._layouts = [
            SampleLayout(str(image), tuple(shape), str(target), tuple(target_shape))
            for image, shape, target, target_shape in described["layouts"]
        ]
        count = int(described["count"])
        first = end - 12 * count
        if first < 0:
            raise InputError("the file of packed samples is cut off")
        self._starts: npt.NDArray[np.int64] = np.frombuffer(self._map, np.int64, count, first)
        self._numbers: npt.NDArray[np.uint32] = np.frombuffer(self._map, np.uint32, count, first + 8 * count)
        self._check(first)

    def __reduce__(self) -> tuple[Any, ...]:
        """Have another process map the same file."""
        return _open_again, (DupFd(self._file),)

    def __len__(self) -> int:
        return len(self._starts)

    @property
    def bad(self) -> dict[int, str]:
        """The samples that could not be read, by their indices, and why."""
        return dict(self._bad)

    @property
    def nbytes(self) -> int:
        """The number of bytes of the file."""
        return len(self._map)

    def read(self, index: int, /) -> tuple[Array, Array]:
        """Give an image and what is stored of it, neither of which can be written to. Raises InputError where they
        could not be read."""
        if self._numbers[index] == BAD:
            raise InputError(self._bad.get(index, f"{self.name(index)} cannot be read"))
        layout, start = self._layouts[self._numbers[index]], int(self._starts[index])
        return (
            self._view(layout.image, layout.image_shape, start),
            self._view(layout.target, layout.target_shape, start + layout.target_start),
        )

    def name(self, index: int, /) -> str:
        """Give what a sample is called in messages."""
        return f"sample {index}" if self.names is None else self.names.name(index)

    def _check(self, end: int) -> None:
        """Raises InputError unless all samples lie within the file, and consist of numbers."""
        there = self._numbers != BAD
        sizes = np.array([layout.size for layout in self._layouts], np.int64)
        kinds = [np.dtype(name).kind for layout in self._layouts for name in (layout.image, layout.target)]
        numbers, starts = self._numbers[there], self._starts[there]
        within = not numbers.size or (numbers.max() < len(sizes) and starts.min() >= 0)
        if not within or (starts + sizes[numbers] > end).any() or not set(kinds) <= set(NUMBERS):
            raise InputError("the file of packed samples says of some that they lie beyond it")

    def _view(self, dtype: str, shape: tuple[int, ...], start: int) -> Array:
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(self._map, dtype, count, start).reshape(shape)


def open_memory() -> int:
    """Open a file in memory without a name, which is gone with its last process; where the system has no such files,
    one on the disk of temporary files, without a name too. Raises OSError."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("archspec-samples")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def open_packed(path: Path, key: str, names: SizedSamples) -> PackedSamples | None:
    """Open a file of packed samples; None where there is none, it is not whole, or it has another key."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        packed = PackedSamples(file, names)
        if packed.key == key and len(packed) == len(names):
            return packed
    except (ArchspecError, OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    os.close(file)
    return None


def _open_again(file: Any) -> PackedSamples:
    return PackedSamples(file.detach(), None)


def _read_description(mapped: mmap.mmap) -> tuple[dict[str, Any], int]:
    """The description at the end of a file, and where it begins."""
    tail = len(mapped) - len(MAGIC) - 8
    if tail < 0 or mapped[tail + 8 :] != MAGIC:
        raise InputError("this is no file of packed samples, or it is cut off")
    (length,) = struct.unpack("<q", mapped[tail : tail + 8])
    if not 0 <= length <= tail:
        raise InputError("the file of packed samples is cut off")
    described = read_json(mapped[tail - length : tail].decode(), "packed samples")
    if not isinstance(described, dict):
        raise InputError("the file of packed samples does not describe them")
    return described, tail - length


def _align(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def _count_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return int(np.dtype(dtype).itemsize * np.prod(shape, dtype=np.int64))
