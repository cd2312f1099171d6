"""From the word of `--data` to a data set: a name, a name and a folder (`cifar10:DIR`), or a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from archspec.arrays import Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError, suggest
from archspec.log import warn
from archspec.wording import list_some, tell_count, write_shape
from runtime.data.adapting import choose_moments, make_preprocess
from runtime.data.dataset import ArraySamples, Dataset, Samples, check_classes, iterate_targets
from runtime.data.known import KNOWN, open_known
from runtime.data.layout import DataLayout
from runtime.data.layouts import LAYOUTS, tell_suspects
from runtime.data.listing import FolderListing, list_data
from runtime.data.measuring import Survey, refuse_bad, survey
from runtime.data.part_lists import apply_part_lists
from runtime.data.registry import DATASETS
from runtime.data.source import DataSource, Subset, lay_on, select, take_channels
from runtime.data.splits import TEST, TRAIN, VALIDATION, Indices, split_samples
from runtime.data.stored import StoredImage
from runtime.data.volumes.assembling import make_volume_dataset
from runtime.data.volumes.folder import VolumeSource
from runtime.pictures.file import parse_ground
from runtime.recipes.data import DataSection


def open_data(
    word: str | Path, section: DataSection | None = None, task: str | None = None, on_step: OnStep = ignore_step
) -> Dataset:
    """Open the data that a word names: its parts, and how its images are prepared where nobody wishes otherwise.

    The extents are those of `section.size`, else the images' own where all have the same, else the median of each.
    What is left out is warned of. Raises InputError where there is no such data, they cannot be used, or are not for
    the `task`.
    """
    section = section or DataSection()
    if str(word) in DATASETS:
        data = arrange(DATASETS[str(word)](), section)
    else:
        data = make_dataset(open_source(word, task, on_step), section, on_step)
    if task is not None and data.task != task:
        raise InputError(f"{word} are data for the task {data.task}; what is wanted are data for the task {task}")
    return data


def arrange(data: Dataset, section: DataSection) -> Dataset:
    """Split and prepare a data set whose parts are known as a recipe's section says. Raises InputError where that
    cannot be."""
    before, moments = data.preprocess, None
    _tell_idle_shares((TEST,), section, data.name)
    if section.fold or section.validation:
        given = [TRAIN] * len(data.train) + [TEST] * len(data.test)
        names = [f"{data.name}[{index}]" for index in range(len(given))]
        parts = split_samples(names, _list_strata(data), given, section, data.name)
        train, chosen = take_part(data.train, parts.train), take_part(data.train, parts.validation)
        data = replace(data, train=train, validation=chosen)
    elif section.normalize == "measured":
        moments = before.mean, before.std
    size = choose_extents(Survey((StoredImage(before.channels, before.size),), ()), section)
    moments = moments or choose_moments(data.train, before.channels, section)
    return replace(data, preprocess=make_preprocess(before.channels, size, moments, section))


def _list_strata(data: Dataset) -> list[int] | None:
    """The class of each sample, those of the test part too; None where images have none."""
    if data.task != "labels":
        return None
    return [int(target) for samples in (data.train, data.test) for target in iterate_targets(samples)]


def open_source(word: str | Path, task: str | None = None, on_step: OnStep = ignore_step) -> DataSource:
    """List all samples of the data that a word names, before they are split; `on_step` hears of files that are looked
    at. Raises InputError as `open_data` does."""
    folder, text = Path(word), str(word)
    kind, colon, rest = text.partition(":")
    if kind in KNOWN and (colon or not rest):
        return open_known(kind, Path(rest) if colon else None, on_step)
    if text in DATASETS:
        return make_source(DATASETS[text]())
    if not os.path.isdir(folder):
        names = [*DATASETS, *KNOWN]
        near = suggest(str(word), names)
        raise InputError(f"no data set '{word}'{near} (available: {', '.join(names)}), and no folder of that name")
    listing = list_data(folder, on_step)
    return apply_part_lists(listing, choose_layout(listing, task).read(listing, str(word), on_step))


def make_source(data: Dataset) -> DataSource:
    """List the samples of a data set whose parts are known, of arrays in memory."""
    names = [f"{data.name}[{index}]" for index in range(len(data.train) + len(data.test))]
    parts = [TRAIN] * len(data.train) + [TEST] * len(data.test)
    pairs = [samples[index] for samples in (data.train, data.test) for index in range(len(samples))]
    arrays = ArraySamples(np.stack([image for image, _ in pairs]), np.stack([target for _, target in pairs]))
    return DataSource(data.name, data.task, arrays, data.classes, names, parts=parts, strata=_list_strata(data))


def choose_layout(listing: FolderListing, task: str | None = None) -> DataLayout:
    """Choose the first layout that a folder has, of those for the task. Raises InputError, which says what is
    understood, where it has none."""
    found = [layout for layout in LAYOUTS if layout.recognize(listing)]
    fitting = [layout for layout in found if task in (None, layout.task)]
    if fitting:
        return fitting[0]
    if found:
        kinds = list_some([f"{layout.name}, for the task {layout.task}" for layout in found])
        raise InputError(f"{listing.folder} holds {kinds}; what is wanted are data for the task {task}")
    held = tell_count(len(listing.pictures), "picture")
    others = "".join(f"; {note}" for note in (*listing.tell_not_read(), *tell_suspects(listing)))
    understood = [f"{layout.task}: {layout.described}" for layout in LAYOUTS if task in (None, layout.task)]
    raise InputError(
        f"{listing.folder} is laid out as no data are: it holds {held} (PNG or JPEG) in "
        f"{tell_count(len(listing.folders), 'folder')}{others}; understood are: {'; '.join(understood)}"
    )


def make_dataset(source: DataSource, section: DataSection, on_step: OnStep = ignore_step) -> Dataset:
    """Split the samples, and measure what their images need. Raises InputError where one of them cannot be read, or a
    part would be empty."""
    check_classes(source.name, source.task, source.classes)
    if section.ground is not None:
        source = replace(source, samples=lay_on(source.samples, parse_ground(section.ground)))
    if section.skip_bad:
        source = drop_bad(source, on_step)
    for note in (*source.strays, *source.notes, *_tell_unseen(source.unseen, source.name)):
        warn(note)
    if source.problems:
        raise InputError("; ".join(source.problems))
    if isinstance(source, VolumeSource):
        return make_volume_dataset(source, section, on_step)
    seen = survey(source.samples, on_step)
    refuse_bad(list(dict.fromkeys((*source.bad, *seen.bad))), source.name)
    samples = take_channels(source.samples, seen.channels)
    _tell_idle_shares(source.parts or (), section, source.name)
    parts = split_samples(source.groups or source.names, source.strata, source.parts, section, source.name)
    for note in _tell_unseen(_list_untrained(source, parts.train), source.name):
        warn(note)
    train = take_part(samples, parts.train)
    moments = choose_moments(train, seen.channels, section, on_step)
    return Dataset(
        name=source.name,
        train=train,
        test=take_part(samples, parts.test),
        classes=source.classes,
        preprocess=make_preprocess(seen.channels, choose_extents(seen, section), moments, section),
        task=source.task,
        validation=take_part(samples, parts.validation) if len(parts.validation) else None,
        flip_idx=source.flip_idx,
    )


def _list_untrained(source: DataSource, train: Indices) -> list[str]:
    """The classes that no image to train on has, where each image has one."""
    if source.strata is None:
        return []
    seen = {source.strata[index] for index in train.tolist()}
    return [name for number, name in enumerate(source.classes) if number not in seen]


def _tell_unseen(unseen: Sequence[str], name: str) -> Iterator[str]:
    """Tell of classes that no image to train on has."""
    if unseen:
        yield f"no image of {name} to train on has {list_some(unseen, 5, ', ')}: the network will not learn it"


def _tell_idle_shares(parts: Sequence[str], section: DataSection, name: str) -> None:
    """Tell the shares by which nothing is held out, since the data or a fold say what is."""
    held = {TEST, VALIDATION} & set(parts)
    why = f"{name} says which images are for that" if held else f"data.fold: {section.fold} does so"
    if section.test != DataSection().test and (held or section.fold):
        warn(f"without effect: data.test: {section.test:g} holds nothing out, since {why}")
    if section.validation and len(held) == 2:
        warn(f"without effect: data.validation: {section.validation:g} holds nothing out, since {why}")


def take_part(samples: Samples, indices: Indices) -> Samples:
    """Take some of the samples; of arrays, neighbours in their own order are a view."""
    if isinstance(samples, ArraySamples) and len(indices) and np.array_equal(indices, np.arange(*_ends(indices))):
        start, stop = _ends(indices)
        return ArraySamples(samples.images[start:stop], samples.targets[start:stop])
    return Subset(samples, indices)


def _ends(indices: Array) -> tuple[int, int]:
    return int(indices[0]), int(indices[-1]) + 1


def drop_bad(source: DataSource, on_step: OnStep = ignore_step) -> DataSource:
    """Read every sample once, and leave out those that cannot be; what they are, and how many, is noted."""
    kept, bad = list[int](), list[str]()
    for index in range(len(source.samples)):
        try:
            source.samples[index]
            kept.append(index)
        except ArchspecError as error:
            bad.append(str(error))
        on_step(index + 1, len(source.samples))
    if not bad:
        return source
    note = f"{tell_count(len(bad), 'bad sample')} of {source.name} left out: {list_some(bad)}"
    return select(source, kept, (note,))


def choose_extents(seen: Survey, section: DataSection) -> tuple[int, ...]:
    """Choose the extents of `section.size`, else the images' own, else the median of each. Raises InputError where the
    size has another number of extents than the images."""
    own = seen.common or seen.median
    if section.size is None:
        return own
    size = tuple(section.size) * (len(own) if len(section.size) == 1 else 1)
    if len(size) != len(own):
        raise InputError(f"data.size is {write_shape(size)}, and the images have {len(own)} extents")
    return size
