"""A data set: its parts, sample by sample as they are stored, and how these become what a network reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from archspec.arrays import Array, Float32Array, Float64Array
from archspec.errors import InputError
from archspec.wording import list_some, shorten_bytes
from runtime.data.census import ClassCensus, take_census
from runtime.data.preparing import prepare_sample, read_shown
from runtime.pictures.geometry import place
from runtime.pictures.preprocess import Preprocess
from runtime.tasks.registry import find_task

MAX_PREPARED_BYTES = 4 << 30
"""The largest total size, in bytes, of images that are prepared and held in memory at once."""


class Samples(Protocol):
    """Images and what is asked of them, by index; every map-style `torch.utils.data.Dataset` of such pairs is one.

    An image is an array (C, *extents), uint8 (levels of 255), uint16 (of 65,535) or float32 (values in [0, 1]), of its
    own size. What is asked is, by task: a class; a map of classes (*extents) in uint8, of the image's size, with 255
    where none is asked; positions (J, 3) in float32: x and y in the image's pixels, whole at a pixel's centre, and
    COCO's visibility (0 not labelled, 1 hidden, 2 visible).
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> tuple[Any, Any]: ...


@dataclass(frozen=True, eq=False)
class ArraySamples:
    """Samples that lie in memory: `images` (N, C, *extents) and `targets` (N, ...), as `Samples` says of one."""

    images: Array
    targets: Array

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int, /) -> tuple[Array, Any]:
        return self.images[index], self.targets[index]

    def read_target(self, index: int) -> Any:
        """Give what is asked of one image."""
        return self.targets[index]


@dataclass(frozen=True, eq=False)
class Split:
    """Prepared images (N, C, *extents) in float32, normalized, and what is asked of them.

    Labels are, by task: classes (N,) in int64; maps of classes (N, *extents) in int64, with 255 where no class is
    asked; positions of joints (N, J, 2) in float32, x and y in pixels of the prepared image (whole at a pixel's
    centre), NaN where there is none.
    """

    images: Float32Array
    labels: Array

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a training part and a held-out part, and how they are prepared for a network.

    `task` is a name in `runtime.tasks.registry`; `classes` are the names of its classes, or of its joints.
    `validation` is a part by which training may choose. `flip_idx` gives, for each joint, the number of the one that
    it becomes in a mirror.

    >>> import numpy as np
    >>> images = np.zeros((6, 1, 8, 8), np.uint8)
    >>> part = [(image, number % 2) for number, image in enumerate(images)]
    >>> data = archspec.Dataset("blank", part, part, ("even", "odd"), archspec.Preprocess(1, (8, 8), (0.5,), (0.25,)))
    >>> data.held_out.images.shape
    (6, 1, 8, 8)
    """

    name: str
    train: Samples
    test: Samples
    classes: tuple[str, ...]
    preprocess: Preprocess
    task: str = "labels"
    validation: Samples | None = None
    flip_idx: tuple[int, ...] | None = None

    @cached_property
    def training(self) -> Split:
        """The training part, prepared and not varied. Raises InputError where it is too large for the memory."""
        return self.prepare(self.train, range(len(self.train)))

    @cached_property
    def held_out(self) -> Split:
        """The held-out part, prepared. Raises InputError where it is too large for the memory."""
        return self.prepare(self.test, range(len(self.test)))

    @cached_property
    def census(self) -> ClassCensus:
        """The classes of the training part, for which all its targets are read, once.

        Raises InputError where the task has no classes, or a sample one that is not there.
        """
        return take_census(iterate_targets(self.train), find_task(self.task), len(self.classes))

    def prepare(self, samples: Samples, indices: Sequence[int] | Iterable[int]) -> Split:
        """Read the samples of some indices and prepare them. Raises InputError where they are too many for the memory,
        and what the samples raise."""
        chosen = list(indices)
        wanted = len(chosen) * 4 * int(np.prod(self.preprocess.shape))
        if wanted > MAX_PREPARED_BYTES:
            raise InputError(
                f"{len(chosen):,} images of {self.name} take {shorten_bytes(wanted)} when they are prepared, more than "
                f"{shorten_bytes(MAX_PREPARED_BYTES)} at once: take fewer"
            )
        images = np.empty((len(chosen), *self.preprocess.shape), np.float32)
        labels = []
        for number, index in enumerate(chosen):
            image, target, own = read_shown(samples, index, self._find_shown)
            image, target = prepare_sample(image, target, self.preprocess, self.task, own)
            images[number] = self.preprocess.normalize(image)
            labels.append(target)
        return Split(images, np.stack(labels) if labels else np.empty(0, np.int64))

    def _find_shown(self, own: tuple[int, int]) -> tuple[int, ...]:
        return place(self.preprocess, own).shown


def check_classes(name: str, task: str, classes: Sequence[str]) -> None:
    """Raises InputError where data, which messages call `name`, have too few classes for anything to be learned."""
    least = find_task(task).least_classes
    if len(classes) < least:
        raise InputError(
            f"{name} has {_tell_few(classes)}: a network learns nothing of the task {task} from fewer than {least}, "
            "since its answer would always be right; add images of something else, as a class of its own"
        )


def check_asked(name: str, stored: Sequence[object], asked: Sequence[str]) -> None:
    """Raises InputError where all values that masks store, which messages call `name`, ask for too few classes."""
    if len(asked) < find_task("maps").least_classes:
        raise InputError(
            f"{name} store {list_some(stored, 5, ', ')} and nothing else, which ask for {_tell_few(asked)}: a network "
            "learns nothing from that; are they the right files, and does data.yaml say what their values stand for?"
        )


def _tell_few(classes: Sequence[str]) -> str:
    return f"one class, {classes[0]}" if classes else "no class"


def read_target(samples: Samples, index: int) -> Any:
    """Give what is asked of one image: by the samples' method `read_target(index)` where they have one, which need not
    read the image."""
    read = getattr(samples, "read_target", None)
    return samples[index][1] if read is None else read(index)


def iterate_targets(samples: Samples) -> Iterator[Any]:
    """Yield what is asked of each sample, in order."""
    return (read_target(samples, index) for index in range(len(samples)))


def measure_preprocess(values: Float64Array) -> Preprocess:
    """Take the mean and the standard deviation of each channel of images (N, C, *extents), to six digits, so that every
    machine writes the same ones."""
    _, channels, *size = values.shape
    others = (0, *range(2, values.ndim))
    mean, std = values.mean(axis=others), values.std(axis=others)
    return Preprocess(
        channels, tuple(size), tuple(round(float(m), 6) for m in mean), tuple(round(float(s), 6) for s in std)
    )
