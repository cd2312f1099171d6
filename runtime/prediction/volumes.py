"""Answers for volumes: a class for each voxel of a file, on its own grid, by windows that slide over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError, ModelError
from runtime.data.volumes.samples import read_for
from runtime.data.volumes.volume import Volume
from runtime.data.volumes.volume_file import ENDINGS, find_ending, open_volume
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answered import Answered, AnsweredFile, InputImage
from runtime.prediction.network_outputs import run_images
from runtime.prediction.reader import Failure, attempt, only_input
from runtime.prediction.sliding import Slide, decide, slide
from runtime.prediction.task_spec import TaskSpec
from runtime.session.session import Session
from runtime.tasks.grid import OutputGrid
from runtime.tasks.maps import ClassMap, Share

MAX_WINDOW_VALUES = 1 << 22
"""The largest number of values in the windows of one run, 16 MiB; a network may keep 100 times as many."""


@dataclass(frozen=True, slots=True, eq=False)
class VolumeImage(InputImage):
    """A volume as one image: `image` are its levels at the network's spacing, `volume` are its own values and grid."""

    volume: Volume = None  # type: ignore[assignment]  # fields without a default stand before


def takes_volumes(preprocess: Preprocess | None) -> bool:
    """Tell whether a network was trained on volumes of any extents, which it sees in windows."""
    return preprocess is not None and preprocess.slides


def list_volumes(paths: Iterable[str | Path]) -> Iterator[Path | Failure]:
    """List the paths, with the volumes of each folder in its place, by name."""
    for path in map(Path, paths):
        found = attempt(path, partial(_list_folder, path))
        if isinstance(found, Failure):
            yield found
        else:
            yield from found


def _list_folder(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    try:
        found = sorted(item for item in path.iterdir() if find_ending(item) and item.is_file())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if not found:
        raise InputError(f"{path} holds no volumes: expected files that end with {', '.join(ENDINGS)}")
    return found


def answer_volumes(
    session: Session, paths: Iterable[str | Path], spec: TaskSpec, on_step: OnStep = ignore_step
) -> Iterator[Answered | Failure]:
    """Answer for volumes, and for those in folders, in order: the class of each voxel as its file has it, along the
    file's own axes; for a file that has no answer, say why. One volume lies in memory at a time, with the levels and
    the labels of it. `on_step` hears of the windows of each.

    Raises ModelError where the model does not answer with maps of classes.
    """
    if spec.task.name != "maps":
        raise ModelError(f"{session.path} is asked for {spec.task.name}; volumes are answered with maps of classes")
    window = _Window(session, spec)
    for path in list_volumes(paths):
        yield path if isinstance(path, Failure) else attempt(path, partial(window.answer, path, on_step))


class _Window:
    """The network on one window: its extents, those of its output, and the numbers that it gives."""

    def __init__(self, session: Session, spec: TaskSpec) -> None:
        assert spec.preprocess is not None
        self.session, self.spec, self.preprocess = session, spec, spec.preprocess
        name, _ = only_input(session)
        axes = session.inputs[name][2:]
        self.extents = tuple(
            axis if isinstance(axis, int) else extent for axis, extent in zip(axes, self.preprocess.size, strict=False)
        )
        if len(self.extents) != 3:
            raise ModelError(f"{session.path} takes {session.describe_input(name)}, which are no volumes")
        self.at_once = session.fixed_batch or max(
            1, MAX_WINDOW_VALUES // (self.preprocess.channels * prod(self.extents))
        )
        self.classes, self.grid = self._probe()

    def answer(self, path: Path, on_step: OnStep) -> Answered:
        """Answer for one file. Raises ArchspecError where it cannot be read, or has no answer."""
        volume = open_volume(path)
        levels, frame = read_for(volume, self.preprocess)
        plan = Slide(frame.image, self.grid)
        blocks = slide(levels, plan, self.preprocess.normalize, self._run, self.at_once, on_step)
        names = self._names()
        dtype = np.min_scalar_type(max(1, len(names) - 1))
        labels = volume.space.orientation.to_file(decide(blocks, plan, frame, self.classes, dtype))
        image = VolumeImage(AnsweredFile(str(path), 1), 0, levels, frame, None, volume)
        return Answered(image, {}, names, ClassMap(str(path), labels, _count_shares(labels, names)))

    def _run(self, windows: Float32Array) -> Array:
        found: Array = run_images(self.session, windows, self.at_once)[self.spec.output]
        return found.astype(np.float32, copy=False)

    def _probe(self) -> tuple[int, OutputGrid]:
        """The channels of the output, and where its positions lie on a window: asked of one that is empty."""
        shape = (self.preprocess.channels, *self.extents)
        found = self._run(np.zeros((1, *shape), np.float32)).shape[1:]
        try:
            return found[0], self.spec.task.place(shape, found, self.spec.stride)
        except ArchspecError as error:
            raise ModelError(f"{self.session.path}, output '{self.spec.output}': {error}") from error

    def _names(self) -> tuple[str, ...]:
        channels = max(2, self.classes)
        names = self.spec.names or tuple(f"class {number}" for number in range(channels))
        if len(names) != channels:
            raise ModelError(f"{self.session.path} gives {channels} numbers per voxel, for {len(names)} classes")
        return names


def _count_shares(labels: Array, names: tuple[str, ...]) -> tuple[Share, ...]:
    """The share of each class that is there, in falling order."""
    counts = np.bincount(labels.reshape(-1), minlength=len(names))
    order = [int(index) for index in np.argsort(-counts, kind="stable") if counts[index]]
    return tuple(Share(index, names[index], float(counts[index] / labels.size)) for index in order)
