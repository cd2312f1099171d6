"""What a folder of data holds before it is split: all samples, what they are called, and what is known of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from archspec.arrays import Array
from runtime.data.dataset import Samples, read_target
from runtime.data.preparing import read_shown
from runtime.data.sized import list_files
from runtime.data.stored import StoredImage
from runtime.pictures.luma import find_luma

if TYPE_CHECKING:
    from runtime.pictures.file import FindShown, PictureSize


@dataclass(frozen=True, eq=False)
class DataSource:
    """All samples of some data, in the order of their names.

    `names` tells them apart, in messages and in lists of a part; `groups` names for each what it is split with (None:
    each stands alone). `parts` has the part that the data say each is of ("" where they do not say). `strata` are the
    classes of images, of which each part has its share. `notes` tell what is left out as lists, data.yaml or
    annotations say, `strays` what is though nothing says so, `bad` which files cannot be used, and `problems` what else
    is wrong with the data as a whole. `unseen` are classes that no image has, as far as all were looked at.
    """

    name: str
    task: str
    samples: Samples
    classes: tuple[str, ...]
    names: Sequence[str]
    groups: Sequence[str] | None = None
    parts: Sequence[str] | None = None
    strata: Sequence[int] | None = None
    flip_idx: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    strays: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@runtime_checkable
class FileSamples(Protocol):
    """Samples that lie in files, which can say something of themselves before they are read."""

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the files of a sample, its image first."""

    def peek(self, index: int, /) -> StoredImage:
        """Tell what the head of the image's file says. Raises InputError where it cannot be read."""


@dataclass(frozen=True, eq=False)
class Subset:
    """Some of the samples, by their indices."""

    samples: Samples
    indices: Array

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        return self.samples[int(self.indices[index])]

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the files of a sample, its image first; none where the samples lie in no files of their own."""
        return list_files(self.samples, int(self.indices[index]))

    def read_target(self, index: int) -> Any:
        """Give what is asked of one image, without reading that where it can be."""
        return read_target(self.samples, int(self.indices[index]))

    def read_shown(self, index: int, find_shown: FindShown, /) -> tuple[Any, Any, tuple[int, ...] | None]:
        """Read a sample for being shown at the extents which `find_shown` gives, and tell those of its whole image."""
        return read_shown(self.samples, int(self.indices[index]), find_shown)

    def peek(self, index: int, /) -> StoredImage:
        """Tell the channels and the extents of a sample's image."""
        return peek_sample(self.samples, int(self.indices[index]))

    @property
    def targets(self) -> Array | None:
        """The targets of all samples, where they are known without reading any."""
        known = find_targets(self.samples)
        return None if known is None else known[self.indices]


def select(source: DataSource, kept: Sequence[int], notes: Sequence[str] = ()) -> DataSource:
    """Keep some of the samples, with more notes."""

    def pick(values: Sequence[object] | None) -> list[object] | None:
        return None if values is None else [values[index] for index in kept]

    chosen = {name: pick(getattr(source, name)) for name in ("names", "groups", "parts", "strata")}
    samples = Subset(source.samples, np.array(kept, np.int64))
    return replace(source, samples=samples, notes=(*source.notes, *notes), bad=(), **chosen)  # type: ignore[arg-type]  # by names


@dataclass(frozen=True, eq=False)
class ChannelSamples:
    """Samples whose images are given in another number of channels, (channels, *extents): one becomes equal ones, and
    three become their luma."""

    samples: Samples
    channels: int

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int, /) -> tuple[Any, Any]:
        image, target = self.samples[index]
        image = np.asarray(image)
        if self.channels == 1 and len(image) == 3:
            return find_luma(np.moveaxis(image, 0, -1))[None], target
        return np.repeat(image, self.channels, 0), target

    def read_target(self, index: int) -> Any:
        """Give what is asked of one image, without reading that where it can be."""
        return read_target(self.samples, index)

    @property
    def targets(self) -> Array | None:
        """The targets of all samples, where they are known without reading any."""
        return find_targets(self.samples)


def take_channels(samples: Samples, channels: int) -> Samples:
    """Make samples whose images have that many channels: gray ones become equal channels, and pictures of colours
    gray."""
    if isinstance(samples, Subset):
        return Subset(take_channels(samples.samples, channels), samples.indices)
    if isinstance(samples, PictureSamples):
        return replace(samples, channels=channels)
    same = not len(samples) or peek_sample(samples, 0).channels == channels
    return samples if same else ChannelSamples(samples, channels)


def lay_on(samples: Samples, ground: tuple[int, int, int]) -> Samples:
    """Make samples whose pictures lie on a ground where they are transparent."""
    if isinstance(samples, Subset):
        return Subset(lay_on(samples.samples, ground), samples.indices)
    return replace(samples, ground=ground) if isinstance(samples, PictureSamples) else samples


def peek_sample(samples: Samples, index: int) -> StoredImage:
    """Tell the channels and the extents of a sample's image, by the head of its file where it has one. Raises
    InputError where it cannot be read."""
    if isinstance(samples, FileSamples):
        return samples.peek(index)
    image = np.asarray(samples[index][0])
    return StoredImage(image.shape[0], image.shape[1:])


def find_targets(samples: Samples) -> Array | None:
    """Find what is asked of all samples, (N, ...), where they know it without being read."""
    known = getattr(samples, "targets", None)
    return None if known is None else np.asarray(known)


@dataclass(frozen=True, eq=False)
class PictureSamples(ABC):
    """Pictures, by their names relative to `folder`. All have as many channels as `channels` says (None: each its own);
    `ground` lies beneath what is transparent."""

    folder: Path
    names: Sequence[str]
    channels: int | None = None
    ground: tuple[int, int, int] | None = None

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def __getitem__(self, index: int, /) -> tuple[Array, Any]: ...

    def read(self, index: int, /) -> Array:
        """Read the whole picture, (C, H, W). Raises InputError, naming the file, where it cannot be."""
        from runtime.data.reading import read_image  # here, since it needs Pillow, and data in memory do not

        return read_image(self.folder / self.names[index], self.channels, self.ground)

    @abstractmethod
    def read_target(self, index: int, /) -> Any:
        """Give what is asked of one picture, in its pixels."""

    def read_shown(self, index: int, find_shown: FindShown, /) -> tuple[Array, Any, PictureSize]:
        """Read a picture that is shown at the extents which `find_shown` gives of its own, as `run` reads it: a large
        JPEG is decoded at a part of its size. With it what is asked of it, in the pixels of the whole picture, and the
        extents of that. Raises InputError, naming the file, where it cannot be read."""
        from runtime.pictures.file import open_picture  # here, as above

        picture = open_picture(self.folder / self.names[index], find_shown)
        levels = picture.take_levels(self.channels or picture.bands.shape[2], self.ground)
        return levels, self.read_target(index), picture.size

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the picture's file."""
        return (self.folder / self.names[index],)

    def peek(self, index: int, /) -> StoredImage:
        """Tell what the head of the picture's file says. Raises InputError where it cannot be read."""
        from runtime.data.reading import peek_image  # here, as above

        stored = peek_image(self.folder / self.names[index])
        return stored if self.channels is None else stored._replace(channels=self.channels)


@dataclass(frozen=True, eq=False)
class LabelledPictures(PictureSamples):
    """Pictures and the class of each, (N,) in int64."""

    targets: Array = field(default_factory=lambda: np.empty(0, np.int64))

    def __getitem__(self, index: int, /) -> tuple[Array, int]:
        return self.read(index), self.read_target(index)

    def read_target(self, index: int) -> int:
        """Give the class of one picture."""
        return int(self.targets[index])
