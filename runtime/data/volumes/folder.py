"""The layout of volumes and their labels: two folders whose files have the same names, as the Medical Segmentation
Decathlon and nnU-Net lay them too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from archspec.callbacks import OnStep
from archspec.errors import ArchspecError, InputError
from archspec.wording import list_some, tell_count
from runtime.data.dataset import check_asked
from runtime.data.description import DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing
from runtime.data.mask_pairs import FolderPair, drop_ends, find_folder_pairs, index_files
from runtime.data.part_lists import find_part_lists
from runtime.data.source import DataSource
from runtime.data.splits import PART_NAMES, TEST
from runtime.data.volumes.description import VolumeFacts, read_facts
from runtime.data.volumes.label_classes import LabelClasses, choose_classes, find_values
from runtime.data.volumes.samples import VolumeCase, VolumeSamples
from runtime.data.volumes.volume_file import OTHERS, find_ending, open_volume
from runtime.pictures.preprocess import Preprocess

IMAGE_FOLDERS = ("images", "imagestr", "volumes")
"""What the folder of the volumes is called, in small letters."""

LABEL_FOLDERS = ("labels", "labelstr", "masks", "segmentations")
"""What the folder of the labels is called, in small letters."""

TEST_FOLDERS = ("imagests", "labelsts")
"""What these are called of the volumes that are held out (nnU-Net's)."""

CHANNEL = re.compile(r"(.+)_([0-9]{4})")
"""A volume's name with the number of a channel behind it, as nnU-Net has it."""

DESCRIBED = (
    "images/NAME.nii.gz and labels/NAME.nii.gz (also .nii, .tif, .npy; or imagesTr/ and labelsTr/), also in train/, "
    "val/ and test/"
)
"""What the layout looks like."""


@dataclass(frozen=True, eq=False)
class VolumeSource(DataSource):
    """Volumes with their labels, before they are split: the samples are VolumeSamples, or some of these."""


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has folders of volumes beside folders of labels."""
    return bool(_find_pairs(listing))


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> VolumeSource:
    """Pair volumes and labels, and read all labels for the classes that they have, unless these are named.

    Raises InputError where there is no pair, what is said of them makes no sense, or no labels can be read.
    """
    facts = read_facts(listing.folder, listing.top_files)
    if facts.places and (lists := find_part_lists(listing)):
        raise InputError(
            f"{listing.folder} has lists, and `place` in data.yaml says the parts too: keep one "
            f"({', '.join(lists)} would be parts of whole volumes)"
        )
    cases, strays = _pair(listing, name)
    classes, unseen, bad = _find_classes(cases, facts, name, on_step)
    placed = [_place(case, part, facts) for case in cases for part in facts.places or ("",)]
    raw = Preprocess(1, (1, 1, 1), (0.0,), (1.0,), resize="none", window="each")
    return VolumeSource(
        name,
        "maps",
        VolumeSamples(placed, classes, raw, facts.spacing),
        classes.names,
        [case.name for case in placed],
        parts=[case.part for case in placed],
        strays=strays,
        bad=bad,
        unseen=unseen,
    )


def _find_pairs(listing: FolderListing) -> list[FolderPair]:
    """Folders of volumes beside folders of labels, with the part that they name."""
    volumes = [name for name in listing.files if find_ending(name)]
    pairs = find_folder_pairs(listing, IMAGE_FOLDERS, LABEL_FOLDERS, volumes)
    pairs += [
        pair._replace(part=TEST) for pair in find_folder_pairs(listing, TEST_FOLDERS[:1], TEST_FOLDERS[1:], volumes)
    ]
    return [pair for pair in pairs if listing.list_in(pair.images, volumes)]


def _pair(listing: FolderListing, name: str) -> tuple[list[VolumeCase], tuple[str, ...]]:
    """The volumes that have labels, by name, and what is said of the others."""
    cases: list[VolumeCase] = []
    alone: dict[str, list[str]] = {"volume": [], "label volume": []}
    volumes = [name for name in listing.files if find_ending(name)]
    for pair in _find_pairs(listing):
        images, labels = (index_files(listing, folder, volumes, _cut_ending) for folder in (pair.images, pair.masks))
        channels = _group_channels(images, labels)
        for key, found in drop_ends(labels, channels).items():
            if key not in channels:
                alone["label volume"].append(found)
                continue
            files = tuple(listing.path(file) for file in channels.pop(key))
            part = pair.part or PART_NAMES.get(key.partition("/")[0].lower(), "")
            cases.append(VolumeCase(f"{pair.images}/{key}", files, listing.path(found), part))
        alone["volume"] += [file for files in channels.values() for file in files[:1]]
    if not cases:
        raise InputError(
            f"no volume of {name} has labels of its name: volumes are {list_some(alone['volume'], 3, ', ') or 'none'}, "
            f"labels are {list_some(alone['label volume'], 3, ', ') or 'none'}"
        )
    strays = [
        f"{tell_count(len(names), noun)} of {name} {'has' if len(names) == 1 else 'have'} no counterpart, and "
        f"{'is' if len(names) == 1 else 'are'} left out: {list_some(names, 3, ', ')}"
        for noun, names in alone.items()
        if names
    ]
    return sorted(cases, key=lambda case: case.name), (*strays, *_tell_others(listing, name))


def _tell_others(listing: FolderListing, name: str) -> Iterator[str]:
    """Tell of volumes of kinds that are not read, a line for each kind."""
    found: dict[str, list[str]] = defaultdict(list)
    for pair in _find_pairs(listing):
        for file in listing.list_in(pair.images, listing.files):
            if (ending := PurePosixPath(file).suffix.lower()) in OTHERS:
                found[OTHERS[ending]].append(file)
    for kind, files in found.items():
        yield f"{tell_count(len(files), 'file')} of {name} ({list_some(files, 3, ', ')}) not read: {kind}"


def _cut_ending(name: str) -> str:
    return name[: len(name) - len(find_ending(name) or "")]


def _group_channels(images: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, list[str]]:
    """The files of each volume, in the order of their channels. Raises InputError where one of them is missing."""
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    for key, name in images.items():
        match = None if key in labels else CHANNEL.fullmatch(key)
        groups[match[1] if match else key][int(match[2]) if match else 0] = name
    most = max((len(group) for group in groups.values()), default=1)
    for key, group in groups.items():
        if sorted(group) != list(range(most)):
            names = list_some(sorted(group.values()), 3, ", ")
            raise InputError(
                f"the volume {key} has {tell_count(len(group), 'channel')} ({names})"
                f", and others have {most}, _0000 to _{most - 1:04}"
            )
    return {key: [group[channel] for channel in sorted(group)] for key, group in groups.items()}


def _find_classes(
    cases: Sequence[VolumeCase], facts: VolumeFacts, name: str, on_step: OnStep
) -> tuple[LabelClasses, tuple[str, ...], tuple[str, ...]]:
    """The classes that are named, or else those of all numbers of the labels, which are read for them; which of these
    classes no voxel has, and which labels cannot be read."""
    if facts.names is not None:
        return choose_classes((), facts.names, facts.ignored), (), ()
    found, bad = set[int](), list[str]()
    for done, case in enumerate(cases, 1):
        try:
            found |= find_values(open_volume(case.labels))
        except ArchspecError as error:
            bad.append(str(error))
        on_step(done, len(cases))
    if bad and len(bad) == len(cases):
        raise InputError(f"no labels can be read: {list_some(bad)}")
    classes = choose_classes(found, None, facts.ignored)
    seen = [word for value, word in zip(classes.values, classes.names, strict=True) if value in found]
    check_asked(f"the labels of {name}", sorted(found), seen)
    return classes, tuple(word for word in classes.names if word not in seen), tuple(bad)


def _place(case: VolumeCase, part: str, facts: VolumeFacts) -> VolumeCase:
    """A volume, or the place in it that a part of the data has."""
    if not part:
        return case
    return VolumeCase(f"{case.name} ({part})", case.images, case.labels, part, facts.places[part])


LAYOUT = DataLayout("volumes and their labels", "maps", DESCRIBED, None, recognize, read)
