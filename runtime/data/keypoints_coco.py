"""The layout of keypoints as COCO writes them: JSON files with images, categories and annotations, and pictures."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from archspec.arrays import Float32Array
from archspec.callbacks import OnStep
from archspec.errors import ArchspecError, InputError, raising, tell_value
from archspec.strict_json import check_number, read_json
from archspec.wording import list_some, tell_count
from runtime.data.description import MAX_JOINTS, DataDescription
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing, find_ending
from runtime.data.mask_pairs import IMAGE_FOLDERS
from runtime.data.poses import MAX_POSITION, Box, PosedPictures, bound_pose, find_counterparts
from runtime.data.source import DataSource
from runtime.data.splits import PART_NAMES

MAX_JSON_BYTES = 1 << 29
"""The largest JSON file, in bytes: COCO's own are half as large."""

MAX_ANNOTATION_FILES = 20
"""The largest number of JSON files that are looked into."""

HEAD = 1 << 12
"""The number of bytes at each end of a file in which COCO's keys are looked for."""

END = re.compile(rb"[]}]\s*}\s*$")
"""What a file of lists ends with: one that is cut off seldom does."""

PART = re.compile(r"(?<![a-z])(train|training|val|valid|validation|dev|test|testing)(?![a-z])")
"""A part, as a word or before digits, in the name of a file."""

DESCRIBED = (
    "COCO's keypoints: a JSON file (here or in annotations/) with images, categories and annotations, and pictures"
)
"""What the layout looks like."""


@dataclass
class PoseSamples:
    """The samples that were found so far, and what was left out, by why; `files` has the part of each picture, and the
    file of annotations that says it first."""

    joints: tuple[str, ...] = ()
    rows: list[tuple[str, str, str, Float32Array, Box]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has pictures and a JSON file that is COCO's by its keys."""
    return bool(listing.pictures) and any(_is_coco(listing.path(name)) for name in list_candidates(listing))


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Read the joints of each person that is annotated. Images that show one person each are seen whole; else each
    person is cut out by the box (`data.yaml`: `crop`).

    Raises InputError where an annotation makes no sense, or names a picture that is not there.
    """
    files = description.annotations or [file for file in list_candidates(listing) if _is_coco(listing.path(file))]
    parts = [_find_part(file) for file in files]
    if len(files) > 1 and ("" in parts or len(set(parts)) < len(parts)):
        raise InputError(
            f"{name} has several files of annotations, {list_some(files, 4, ', ')}, whose names do not say their "
            f"parts: name one in data.yaml, as in `annotations: {files[0]}`"
        )
    found = PoseSamples()
    for done, (file, part) in enumerate(zip(files, parts, strict=True), 1):
        _AnnotationFile(listing, file, part, alone=len(files) == 1).read_into(found)
        on_step(done, len(files))
    if not found.rows:
        told = ", ".join(f"{count:,} {why}" for why, count in found.left_out.items()) or "there are none"
        raise InputError(f"no annotation of {name} has keypoints to train on: {told}")
    return make_source(name, listing, found, description)


def make_source(name: str, listing: FolderListing, found: PoseSamples, description: DataDescription) -> DataSource:
    """Make the samples of pictures and of people in these. Raises InputError where people are not to be cut out of
    pictures that show several, or what is said of the joints is of another number of them."""
    joints = description.joints or found.joints
    flip_idx = description.flip_idx or find_counterparts(joints)
    for said, numbers in (("joints", joints), ("flip_idx", flip_idx or joints)):
        if len(numbers) != len(found.joints):
            has = f"{name} has {tell_count(len(found.joints), 'joint')}"
            raise description.refuse(said, f"{has}, and `{said}` has {len(numbers)} here")
    rows = sorted(found.rows, key=lambda row: row[:2])
    several = Counter(file for file, *_ in rows).most_common(1)[0][1] > 1
    if several and description.crop == "none":
        raise InputError(f"{name} has images that show several people: with `crop: none` each needs to show one")
    cut = description.crop == "box" or (several and description.crop == "auto")
    files = [file for file, *_ in rows]
    poses, boxes = np.stack([row[3] for row in rows]), np.array([row[4] for row in rows], np.float64)
    samples = PosedPictures(listing.folder, files, poses=poses, boxes=boxes if cut else None)
    notes = [f"{tell_count(count, 'annotation')} of {name} left out: {why}" for why, count in found.left_out.items()]
    names = [f"{file}#{row[1]}" if several else file for file, row in zip(files, rows, strict=True)]
    parts = [row[2] for row in rows]
    return DataSource(
        name, "joints", samples, joints, names, groups=files, parts=parts, flip_idx=flip_idx, notes=tuple(notes)
    )


def list_candidates(listing: FolderListing) -> list[str]:
    """List the JSON files that lie where those of COCO do."""
    places = [name for name in listing.files if name.rpartition("/")[0].lower() in ("", "annotations")]
    return [name for name in places if find_ending(name) == ".json"][:MAX_ANNOTATION_FILES]


def _is_coco(path: Path) -> bool:
    """True if a file has two of COCO's keys near its ends, or one and no end: a copy that was cut off."""
    try:
        with open(path, "rb") as file:
            ends = file.read(HEAD)
            file.seek(max(0, os.fstat(file.fileno()).st_size - HEAD))
            ends += file.read(HEAD)
    except OSError:
        return False
    ends = ends.replace(b"\0", b"")  # of UTF-16
    found = sum(key in ends for key in (b'"images"', b'"annotations"', b'"categories"'))
    return found >= (2 if END.search(ends) else 1)


def _find_part(file: str) -> str:
    found = PART.search(file.rpartition("/")[2].lower())
    return PART_NAMES[found[1]] if found else ""


class _AnnotationFile:
    """One JSON file, and the pictures that it names; where it is `alone`, its part is split."""

    def __init__(self, listing: FolderListing, file: str, part: str, *, alone: bool) -> None:
        self.listing, self.path, self.part = listing, listing.path(file), "" if alone else part
        self.folders = [
            folder
            for folder in listing.folders
            if folder.rpartition("/")[2].lower() in IMAGE_FOLDERS or (part and _find_part(folder) == part)
        ]
        self.folders.sort(key=lambda folder: _find_part(folder) != part)

    @raising(InputError)
    def read_into(self, found: PoseSamples) -> None:
        data = self._load()
        images = self._index(self._list(data, "images"), "images")
        self._index(self._list(data, "annotations"), "annotations")
        categories = dict(self._read_categories(data))
        if not categories:
            raise InputError(f"{self.path} has no category with keypoints: boxes and outlines alone are no joints")
        joints = set(categories.values())
        if len(joints) > 1 or (found.joints and found.joints not in joints):
            raise InputError(f"{self.path} has categories, or files beside it have, with different keypoints: keep one")
        (found.joints,) = joints
        for number, item in enumerate(self._list(data, "annotations")):
            where = f"annotation {number}"
            if self._key(item, "category_id") not in categories:
                found.left_out["of a category without keypoints"] += 1
            elif item.get("iscrowd"):
                found.left_out["of a crowd"] += 1
            else:
                self._read_annotation(item, where, images, found)

    def _load(self) -> Mapping[str, Any]:
        try:
            if os.stat(self.path).st_size > MAX_JSON_BYTES:
                raise InputError(f"{self.path} has more than {MAX_JSON_BYTES:,} bytes")
            content = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        try:
            data = read_json(content, str(self.path))
        except ArchspecError as error:
            raise InputError(f"{error}; is it whole? A copy that was cut off ends before its last bracket") from error
        if not isinstance(data, dict):
            raise ArchspecError(f"{self.path} must be a JSON object with images, categories and annotations")
        return data

    def _list(self, data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
        found = data.get(key)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ArchspecError(f"{self.path}: '{key}' must be a list of objects")
        return found

    def _index(self, items: Sequence[dict[str, Any]], noun: str) -> dict[int | str, dict[str, Any]]:
        """The objects of a list by their `id`s. Raises ArchspecError where two have the same."""
        found: dict[int | str, dict[str, Any]] = {}
        for item in items:
            if item.get("id") is None and noun == "annotations":
                continue  # theirs are of no use to anybody but COCO
            other = found.setdefault(self._key(item, "id"), item)
            if other is not item:
                places = [next(place for place, each in enumerate(items) if each is one) for one in (other, item)]
                raise ArchspecError(
                    f"{self.path}: '{noun}'[{places[0]}] and '{noun}'[{places[1]}] (counted from 0) both have the id "
                    f"{tell_value(item['id'])}: give each its own"
                )
        return found

    def _key(self, item: Mapping[str, Any], key: str) -> int | str:
        value = item.get(key)
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ArchspecError(f"{self.path}: '{key}' must be a number or a text, found {tell_value(value)}")
        return value

    def _read_categories(self, data: Mapping[str, Any]) -> Iterator[tuple[int | str, tuple[str, ...]]]:
        for item in self._index(self._list(data, "categories"), "categories").values():
            names = item.get("keypoints")
            if names is None or names == []:
                continue
            fits = isinstance(names, list) and all(isinstance(name, str) for name in names)
            if not fits or len(names) > MAX_JOINTS or len(set(names)) < len(names):
                raise ArchspecError(f"{self.path}: the 'keypoints' of a category must be a list of different names")
            yield self._key(item, "id"), tuple(names)

    def _read_annotation(
        self, item: Mapping[str, Any], where: str, images: Mapping[int | str, Any], found: PoseSamples
    ) -> None:
        pose = self._read_pose(item.get("keypoints"), len(found.joints), where)
        if not (pose[:, 2] > 0).any():
            found.left_out["with no keypoint labelled"] += 1
            return
        image = images.get(self._key(item, "image_id"))
        name = image.get("file_name") if image else None
        if not isinstance(name, str):
            raise ArchspecError(f"{self.path}: {where} is of an image that 'images' does not name")
        file = self.listing.find(name, self.folders)
        if file is None:
            raise ArchspecError(f"{self.path}: {self.listing.folder} has no picture {tell_value(name)}, or several")
        part, path = found.files.setdefault(file, (self.part, str(self.path)))
        if part != self.part:
            raise ArchspecError(f"{self.path}: {where} is of {file}, and so is one of {path}: an image is of one part")
        found.rows.append((file, f"{item.get('id', where)}", self.part, pose, self._read_box(item, pose, where)))

    def _read_pose(self, numbers: Any, joints: int, where: str) -> Float32Array:
        if not isinstance(numbers, list) or len(numbers) != 3 * joints:
            count = len(numbers) if isinstance(numbers, list) else "no"
            raise ArchspecError(
                f"{self.path}: {where} has {count} numbers as 'keypoints', and {joints} joints need 3 each"
            )
        what = f"{self.path}: {where}: 'keypoints'"
        values = np.array([self._check_position(value, what) for value in numbers], np.float64).reshape(-1, 3)
        if not np.isin(values[:, 2], (0, 1, 2)).all():
            raise ArchspecError(f"{what}: a visibility is 0, 1 or 2")
        return values.astype(np.float32)

    def _check_position(self, value: object, what: str) -> float:
        number = check_number(value, what)
        if abs(number) > MAX_POSITION:
            raise ArchspecError(f"{what}: {number:g} is no number of pixels")
        return number

    def _read_box(self, item: Mapping[str, Any], pose: Float32Array, where: str) -> Box:
        """The box of an annotation, or where it has none, one around its joints."""
        box = item.get("bbox")
        if box is None:
            return bound_pose(pose)
        if not isinstance(box, list) or len(box) != 4:
            raise ArchspecError(f"{self.path}: {where}: 'bbox' must be left, top, width and height")
        left, top, width, height = (self._check_position(value, f"{self.path}: {where}: 'bbox'") for value in box)
        return (left, top, left + width, top + height) if width > 0 and height > 0 else bound_pose(pose)


LAYOUT = DataLayout(
    "keypoints as COCO", "joints", DESCRIBED, ("joints", "flip_idx", "crop", "annotations"), recognize, read
)
