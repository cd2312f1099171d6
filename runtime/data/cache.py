"""Decoded and resized samples, kept for all epochs and all processes that read: in memory or on the disk."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.files import updating, write_whole
from archspec.wording import shorten_bytes
from runtime.data.batches import SampleDraw
from runtime.data.dataset import ArraySamples, Dataset, Samples
from runtime.data.describing import digest_samples
from runtime.data.loader import Loader, Workers
from runtime.data.packing import ChunkFetcher, PackedSamples, PackWriter, SampleLayout, open_memory, open_packed
from runtime.data.sized import ResizingSamples, SizedSamples, list_files
from runtime.data.source import Subset
from runtime.data.volumes.assembling import RepeatedSamples
from runtime.recipes.data import DataSection
from runtime.session.machine import read_free_memory
from runtime.tasks.registry import find_task

CHUNK = 16
"""The number of samples that a worker packs at once."""

MEASURED = 32
"""The number of samples, spread evenly over all, by which it is estimated how many bytes all take."""

INDEXED = 12
"""The number of bytes by which a sample is found again."""

SHARE = 0.8
"""The part of the free memory that a cache may take: the training needs some too."""


@dataclass(frozen=True, eq=False)
class IndexedSamples:
    """Some of the packed samples, perhaps several times, by their `places` (N,) among these."""

    packed: PackedSamples
    places: npt.NDArray[np.int64]
    is_foreign = False

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int, /) -> tuple[Array, Array]:
        """Give an image and what is stored of it. Raises InputError where they could not be read."""
        return self.packed.read(int(self.places[index]))

    def name(self, index: int, /) -> str:
        """Give what a sample is called in messages."""
        return self.packed.name(int(self.places[index]))


def open_samples(
    data: Dataset,
    samples: Samples,
    section: DataSection,
    workers: Workers | None = None,
    on_step: OnStep = ignore_step,
    processes: int = 1,
) -> SizedSamples:
    """Open a part of a data set for loading: decoded and resized once, by the workers, and kept as the recipe says.

    Samples of a person's own program are read each time, since that may draw them anew; with a method `list_files` they
    say that it does not. `on_step` hears how many samples of how many are read. `processes` is the number of those on
    this machine which open the same samples: a file is shared by them, memory is taken by each.

    Raises InputError where the cache does not fit into the memory or onto the disk, with the bytes that it takes, and
    where a sample cannot be read, unless those are left out.
    """
    sized = ResizingSamples(samples, data.preprocess, find_task(data.task))
    workers = workers or Workers(section.workers)
    if section.cache == "off" or sized.is_foreign or not len(samples) or _lies_ready(sized, workers):
        return sized
    base, places = unwrap(samples)
    if section.cache == "disk":
        whole = ResizingSamples(base, data.preprocess, sized.task)
        packed = _keep_on_disk(whole, data.name, workers, on_step)
    else:
        chosen, places = np.unique(places, return_inverse=True)
        whole = ResizingSamples(Subset(base, chosen), data.preprocess, sized.task)
        wanted = estimate_bytes(whole)
        _check_memory(wanted, data.name, processes)
        packed = _keep_in_memory(whole, wanted, data.name, section, workers, on_step)
    if packed.bad and not section.skip_bad:
        for place in places:
            packed.read(place)  # which says what is wrong with it
    return IndexedSamples(packed, places)


def _lies_ready(sized: ResizingSamples, workers: Workers) -> bool:
    """Tell whether samples lie in memory at their size, where all processes see them as they are."""
    if workers.count and (workers.context or multiprocessing.get_start_method()) != "fork":
        return False
    return isinstance(sized.samples, ArraySamples) and sized.samples.images.shape[1:] == sized.preprocess.shape


def unwrap(samples: Samples) -> tuple[Samples, npt.NDArray[np.int64]]:
    """Find the samples of which these are some, or which these are several times, and their places (N,) among them."""
    places = np.arange(len(samples))
    if isinstance(samples, Subset):
        base, inner = unwrap(samples.samples)
        return base, inner[samples.indices]
    if isinstance(samples, RepeatedSamples):
        base, inner = unwrap(samples.samples)
        return base, inner[places % len(inner)]
    return samples, places


def estimate_bytes(sized: SizedSamples) -> int:
    """Estimate how many bytes all samples take when they are packed: exactly, where all have one size. Those that
    cannot be read count nothing."""
    count, sizes = len(sized), []
    for index in np.unique(np.linspace(0, count - 1, min(count, MEASURED)).astype(int)).tolist():
        with suppress(ArchspecError):
            sizes.append(SampleLayout.of(*sized.read(index)).size)
    return round((sum(sizes) / max(len(sizes), 1) + INDEXED) * count)


def _check_memory(wanted: int, name: str, processes: int) -> None:
    """Raises InputError where the memory that is free does not hold so many bytes once for each process."""
    free = read_free_memory()
    if free is None or wanted * processes <= SHARE * free:
        return
    where = f"memory, of which {shorten_bytes(free)} are free"
    if processes > 1:
        where = f"{processes} processes, each of which keeps them in {where}"
    raise _refuse(name, wanted, where, f"--cache disk{', which they share' * (processes > 1)}, or --cache off")


def _keep_in_memory(
    sized: ResizingSamples, wanted: int, name: str, section: DataSection, workers: Workers, on_step: OnStep
) -> PackedSamples:
    file = open_memory()
    try:
        with os.fdopen(os.dup(file), "wb") as written:
            _fill(written, sized, workers, on_step, skip_bad=section.skip_bad)
    except OSError as error:
        os.close(file)
        raise _refuse(name, wanted, f"memory ({error.strerror})", "--cache disk, or --cache off") from error
    return PackedSamples(file, sized)


def _keep_on_disk(sized: ResizingSamples, name: str, workers: Workers, on_step: OnStep) -> PackedSamples:
    """Open the samples that are on the disk, if they are the same; else write them there, in the place of others."""
    with extra("train"):
        import PIL

    path = find_place(sized, name)
    key = digest_samples(sized.samples, sized.preprocess, sized.task.name, PIL.__version__)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path.parent}: {error.strerror}; take --cache ram, or --cache off") from error
    with updating(path):
        packed = open_packed(path, key, sized)
        if packed is None:
            for left in path.parent.glob(".archspec-*"):  # by a process that was killed: nobody else writes here now
                shutil.rmtree(left, ignore_errors=True)
            _write(path, key, sized, name, workers, on_step)
            packed = open_packed(path, key, sized)
    if packed is None:
        raise InputError(f"{path} is not what was written there: take --cache ram, or --cache off")
    return packed


def _write(path: Path, key: str, sized: ResizingSamples, name: str, workers: Workers, on_step: OnStep) -> None:
    wanted = estimate_bytes(sized)
    free = shutil.disk_usage(path.parent).free + (path.stat().st_size if path.exists() else 0)
    if wanted > free:
        where = f"the disk of {path.parent}, of which {shorten_bytes(free)} are free"
        raise _refuse(name, wanted, where, "--cache off, or set XDG_CACHE_HOME to a folder with room")
    if path.exists():
        path.unlink()  # of other images: there may be no room for both
    with write_whole(path) as temporary, temporary.open("wb") as written:
        _fill(written, sized, workers, on_step, skip_bad=True, key=key)


def find_place(sized: ResizingSamples, name: str) -> Path:
    """Find the file in which samples are kept on the disk: one for each folder of data and way of preparing them."""
    files = list_files(sized.samples, 0)
    folder = getattr(sized.samples, "folder", files[0].parent if files else "")
    said = "\0".join((os.path.realpath(folder), sized.preprocess.to_json(), sized.task.name))
    digest = hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:16]
    slug = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in Path(name).name)[:40]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "archspec" / "images" / f"{slug}-{digest}" / "samples.bin"


def _fill(
    written: BinaryIO, sized: SizedSamples, workers: Workers, on_step: OnStep, *, skip_bad: bool, key: str = ""
) -> None:
    """Read all samples, in chunks, and write them down."""
    count, writer = len(sized), PackWriter(written)
    chunks = [
        [SampleDraw(index, index) for index in range(count)[start : start + CHUNK]] for start in range(0, count, CHUNK)
    ]
    with Loader(ChunkFetcher(sized, skip_bad), chunks, workers) as loader:
        for chunk in loader:
            writer.add(chunk)
            on_step(len(writer.starts), count)
    writer.finish(key)


def _refuse(name: str, wanted: int, where: str, instead: str) -> InputError:
    return InputError(
        f"the prepared images of {name} take {shorten_bytes(wanted)}, which is too much for {where}: take {instead}"
    )
