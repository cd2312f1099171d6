"""Volumes as a data set: split by volume or by place, their levels measured on what is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.wording import list_some, write_shape
from runtime.data.dataset import Dataset, Samples
from runtime.data.measuring import refuse_bad, spread, survey
from runtime.data.source import Subset
from runtime.data.splits import DataParts, Indices, split_samples
from runtime.data.stored import StoredImage
from runtime.data.volumes.folder import VolumeSource
from runtime.data.volumes.intensity import Brightness
from runtime.data.volumes.samples import VolumeCase, VolumeSamples, cut_box, read_case
from runtime.pictures.geometry import NOT_ASKED
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import DataSection

MAX_MEASURED = 64
"""The largest number of volumes that are read for the figures of their values, spread evenly over all."""

PATCH = 64
"""The largest extent of a patch where nobody says one."""

STEP = 16
"""The number that divides such an extent, where the volumes are so large: that of the usual strides."""


@dataclass(frozen=True, eq=False)
class RepeatedSamples:
    """Samples that an epoch sees several `times`, since it sees a part of each. Those of one volume follow each
    other."""

    samples: VolumeSamples
    times: int
    _last: dict[int, Array] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.samples) * self.times

    def __getitem__(self, index: int, /) -> tuple[Array, Array]:
        return self.samples[self.find(index)]

    def find(self, index: int) -> int:
        """Find the index of the sample that this one is. Raises IndexError where there is none."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return index // self.times

    def read_target(self, index: int, /) -> Array:
        """Read the labels alone, of the same volume once."""
        number = self.find(index)
        if number not in self._last:
            self._last.clear()
            self._last[number] = self.samples.read_target(number)
        return self._last[number]

    def peek(self, index: int, /) -> StoredImage:
        """Tell what the head of the file says."""
        return self.samples.peek(self.find(index))

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the files of a sample."""
        return self.samples.list_files(self.find(index))


def make_volume_dataset(source: VolumeSource, section: DataSection, on_step: OnStep = ignore_step) -> Dataset:
    """Split volumes, measure their values, and give them as a data set. Without `section.size` patches have the least
    extents of the volumes, 64 at most.

    Raises InputError where a volume cannot be read, volumes have different channels, a part would be empty, or the
    section asks for what is of pictures.
    """
    _refuse_idle(section)
    seen = survey(source.samples, on_step)
    refuse_bad(list(dict.fromkeys((*source.bad, *seen.bad))), source.name)
    channels = sorted({image.channels for image in seen.stored})
    if len(channels) > 1:
        raise InputError(
            f"the volumes of {source.name} have {list_some(channels, 9, ' or ')} channels: all need the same number"
        )
    parts = _split(source, section)
    measured = _measure(_take(source, parts.train), channels[0], section, on_step)
    preprocess = replace(measured, size=choose_patch([image.extents for image in seen.stored], section))

    def prepare(indices: Indices) -> VolumeSamples:
        return replace(_take(source, indices), preprocess=preprocess)

    return Dataset(
        name=source.name,
        train=RepeatedSamples(prepare(parts.train), section.patches),
        test=prepare(parts.test),
        classes=source.classes,
        preprocess=preprocess,
        task=source.task,
        validation=prepare(parts.validation) if len(parts.validation) else None,
    )


def choose_patch(extents: Sequence[Sequence[int]], section: DataSection) -> tuple[int, ...]:
    """Choose the extents of a patch: those of `section.size`, else the least of the volumes' `extents`, PATCH at most,
    and a number that STEP divides where there are so many voxels. Raises InputError where the size has another number
    of extents than three."""
    if section.size is None:
        least = (min(PATCH, *along) for along in zip(*extents, strict=True))
        return tuple(extent - extent % STEP if extent > STEP else extent for extent in least)
    size = tuple(section.size) * (3 if len(section.size) == 1 else 1)
    if len(size) != 3:
        raise InputError(f"data.size is {write_shape(size)}, and volumes have three extents: depth, height and width")
    return size


def _take(source: VolumeSource, indices: Sequence[int] | Indices) -> VolumeSamples:
    """The samples of some of the source's cases."""
    raw, cases = find_volumes(source.samples)
    return replace(raw, cases=[cases[index] for index in indices])


def find_volumes(samples: Samples) -> tuple[VolumeSamples, Sequence[VolumeCase]]:
    """Find the volumes that some samples are taken from, and the cases of these. Raises TypeError where they are no
    volumes."""
    if isinstance(samples, VolumeSamples):
        return samples, samples.cases
    if isinstance(samples, Subset):
        raw, cases = find_volumes(samples.samples)
        return raw, [cases[int(index)] for index in samples.indices]
    raise TypeError(f"{type(samples).__name__} are no volumes")


def _split(source: VolumeSource, section: DataSection) -> DataParts:
    """The parts of the data. One volume alone needs to be told which place in it is held out."""
    if len(source.names) == 1:
        raise InputError(
            f"{source.name} is one volume: say in its data.yaml which place of it is trained on and which is held out, "
            "as in `place: {train: {width: [0, 0.45]}, test: {width: [0.55, 1]}}`"
        )
    return split_samples(source.names, None, source.parts, section, source.name)


def _refuse_idle(section: DataSection) -> None:
    """Raises InputError for what is said of pictures alone."""
    defaults = DataSection()
    for name in ("resize", "interpolation"):
        if getattr(section, name) != getattr(defaults, name):
            raise InputError(
                f"data.{name} is of pictures; volumes are resampled (linear, labels nearest) to data.spacing"
            )
    if section.ground is not None:
        raise InputError("data.ground is of pictures, which may be transparent; no volume is")
    if section.normalize == "imagenet":
        raise InputError(
            "data.normalize: imagenet is of pictures; volumes are `measured`, or left as they are (`none`)"
        )
    if section.spacing is not None and len(section.spacing) != 3:
        raise InputError(
            f"data.spacing has {len(section.spacing)} numbers: expected three, along depth, height and width"
        )


def _measure(train: VolumeSamples, channels: int, section: DataSection, on_step: OnStep) -> Preprocess:
    """The window of each channel, and the mean and the deviation of what lies in it, over the training volumes."""
    given = section.window if isinstance(section.window, list) else None
    windows = [(given[0], given[1])] * channels if given else None
    found = Brightness(channels, windows, section.window == "each")
    chosen = spread(len(train.cases), MAX_MEASURED)
    for done, index in enumerate(chosen, 1):
        case = train.cases[index]
        volume, labels = read_case(case, train.classes)
        own = cut_box(volume.extents, case.box)
        found.add(volume.values[(slice(None), *own)], (labels[own] > 0) & (labels[own] != NOT_ASKED))
        on_step(done, len(chosen))
    measured, means, deviations = found.finish()
    plain = section.normalize == "none"
    return Preprocess(
        channels,
        (1, 1, 1),
        (0.0,) * channels if plain else means,
        (1.0,) * channels if plain else deviations,
        resize="none",
        spacing=None if section.spacing is None else tuple(section.spacing),
        window="each" if section.window == "each" else measured,
    )
