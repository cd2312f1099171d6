"""The layout of images and masks: two folders whose files have the same names but for their endings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from archspec.arrays import Array
from archspec.callbacks import OnStep
from archspec.errors import InputError
from archspec.wording import list_some, tell_count, write_shape, write_size
from runtime.data.csv_table import (
    IMAGE,
    MASK,
    PART,
    check_one,
    find_column,
    find_file,
    find_tables,
    read_part,
    read_table,
)
from runtime.data.dataset import check_asked
from runtime.data.description import DATA_YAML, DataDescription, read_description
from runtime.data.layout import DataLayout
from runtime.data.listing import FolderListing, cut_ending
from runtime.data.mask_values import MaskValues, choose_values, describe_value, scan_masks
from runtime.data.source import DataSource, PictureSamples
from runtime.data.splits import PART_NAMES
from runtime.data.stored import StoredImage

if TYPE_CHECKING:
    from runtime.pictures.file import FindShown, PictureSize

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "jpegimages")
"""What the folder of the images is called, in small letters."""

MASK_FOLDERS = ("masks", "mask", "labels", "annotations", "segmentationclass")
"""What the folder of the masks is called, in small letters."""

MASK_ENDS = ("_mask", "-mask", "_masks", "_label", "_labels", "_seg", "_segmentation")
"""What may stand at the end of a mask's name, before the ending."""


class FolderPair(NamedTuple):
    """A folder of images and the one of their masks, and the part that the folder around them names."""

    images: str
    masks: str
    part: str


class Pairing(NamedTuple):
    """Images with their masks and the part of each, and those that have no counterpart."""

    pairs: list[tuple[str, str, str]]
    without_mask: list[str]
    without_image: list[str]


@dataclass(frozen=True, eq=False)
class MaskedPictures(PictureSamples):
    """Pictures and the mask of each, `masks`, relative to `folder` too, whose values stand for classes as `values`
    says."""

    masks: Sequence[str] = ()
    values: MaskValues = field(default_factory=lambda: MaskValues(()))

    def __getitem__(self, index: int, /) -> tuple[Array, Array]:
        image, mask = self.read(index), self.read_target(index)
        self._check(index, mask.shape, image.shape[1:])
        return image, mask

    def read_shown(self, index: int, find_shown: FindShown, /) -> tuple[Array, Any, PictureSize]:
        """Read a picture as `PictureSamples` does. Raises InputError where its mask has another size too."""
        image, mask, own = super().read_shown(index, find_shown)
        self._check(index, mask.shape, own)
        return image, mask, own

    def _check(self, index: int, mask: Sequence[int], own: Sequence[int]) -> None:
        if tuple(mask) != tuple(own):
            raise InputError(_tell_sizes(self.folder / self.masks[index], mask, self.folder / self.names[index], own))

    def read_target(self, index: int, /) -> Array:
        """Read the classes of one picture's pixels, (H, W) in uint8. Raises InputError where the mask cannot be read,
        or a value stands for no class."""
        from runtime.pictures.mask import open_mask  # here, since it needs Pillow, and volumes do not

        path = self.folder / self.masks[index]
        return self.values.decode(open_mask(path), path)

    def peek(self, index: int, /) -> StoredImage:
        """Tell what the head of the picture's file says. Raises InputError where it or the mask's cannot be read, or
        they are of two sizes."""
        from runtime.data.reading import peek_image  # here, as above

        stored, mask = super().peek(index), peek_image(self.folder / self.masks[index])
        if mask.extents != stored.extents:  # or a PNG says behind its pixels that it is turned
            return StoredImage(stored.channels, self[index][1].shape)
        return stored

    def list_files(self, index: int, /) -> tuple[Path, ...]:
        """List the files of the picture and of the mask."""
        return self.folder / self.names[index], self.folder / self.masks[index]


def _tell_sizes(mask: Path, found: Sequence[int], image: Path, wanted: Sequence[int]) -> str:
    return f"{mask} is {write_size(found)}, and its image {image} is {write_shape(wanted)}: they must be of one size"


def find_folder_pairs(
    listing: FolderListing,
    images: Sequence[str] = IMAGE_FOLDERS,
    masks: Sequence[str] = MASK_FOLDERS,
    files: Sequence[str] | None = None,
) -> list[FolderPair]:
    """Find folders of images beside folders of masks: in the folder itself, or in folders of it that name parts. Some
    of the `files` lie in the folder of masks; by default some of the pictures do."""
    known = listing.pictures if files is None else files
    bases = [("", "")] + [
        (name, PART_NAMES[name.lower()]) for name in listing.top_folders if name.lower() in PART_NAMES
    ]
    found = []
    for base, part in bases:
        inside = {name[len(base) + 1 if base else 0 :].lower(): name for name in _list_children(listing, base)}
        pair = [next((inside[name] for name in names if name in inside), None) for names in (images, masks)]
        if pair[0] is not None and pair[1] is not None and listing.list_in(pair[1], known):
            found.append(FolderPair(pair[0], pair[1], part))
    return found


def _list_children(listing: FolderListing, base: str) -> Iterator[str]:
    """The folders in a folder, not those in these."""
    depth = base.count("/") + 1 if base else 0
    return (name for name in listing.folders if name.count("/") == depth and (not base or name.startswith(f"{base}/")))


def pair_files(listing: FolderListing, folders: Sequence[FolderPair]) -> Pairing:
    """Pair images and masks by their names without endings. Raises InputError where two files have one such name."""
    pairs, without_mask, without_image = [], [], []
    for folder in folders:
        images, masks = (
            index_files(listing, each, listing.pictures, cut_ending) for each in (folder.images, folder.masks)
        )
        masks = drop_ends(masks, images)
        pairs += [(images[key], masks[key], folder.part or _find_part(key)) for key in images if key in masks]
        without_mask += [name for key, name in images.items() if key not in masks]
        without_image += [name for key, name in masks.items() if key not in images]
    return Pairing(sorted(pairs), without_mask, without_image)


def index_files(listing: FolderListing, folder: str, files: Sequence[str], cut: Callable[[str], str]) -> dict[str, str]:
    """Index those of the files that lie in a folder by their names in it, without the endings, which `cut` takes away.
    Raises InputError where two have one such name."""
    found: dict[str, str] = {}
    for name in listing.list_in(folder, files):
        key = cut(name[len(folder) + 1 :])
        if key in found:
            raise InputError(
                f"{listing.folder} has {found[key]} and {name}, which differ by their endings alone: keep one"
            )
        found[key] = name
    return found


def drop_ends(masks: Mapping[str, str], images: Mapping[str, object]) -> dict[str, str]:
    """Give the masks by the names of their images, of which they may have more at the end."""
    found = {}
    for key, name in masks.items():
        shorter = (key[: -len(end)] for end in MASK_ENDS if key.endswith(end))
        found[key if key in images else next((short for short in shorter if short in images), key)] = name
    return found


def _find_part(key: str) -> str:
    """The part that a folder in the folder of images names."""
    first, slash, _ = key.partition("/")
    return PART_NAMES.get(first.lower(), "") if slash else ""


def tell_left_out(pairing: Pairing) -> tuple[str, ...]:
    """Tell which images have no mask and which masks no image."""
    notes = []
    for names, noun, other in ((pairing.without_mask, "image", "mask"), (pairing.without_image, "mask", "image")):
        if names:
            has, are = ("has", "is") if len(names) == 1 else ("have", "are")
            told = tell_count(len(names), noun)
            notes.append(f"{told} {has} no {other}, and {are} left out: {list_some(names, 3, ', ')}")
    return tuple(notes)


DESCRIBED = (
    "images/NAME.png (or .jpg) and masks/NAME.png, also in train/, val/ and test/, or with these inside; or a CSV file "
    "with the columns image and mask"
)
"""What the layout looks like."""


def recognize(listing: FolderListing) -> bool:
    """Tell whether a folder has folders of images beside folders of masks, or a table of both."""
    return bool(find_folder_pairs(listing) or _list_tables(listing, None) or _is_described(listing))


def _is_described(listing: FolderListing) -> bool:
    if not listing.has(DATA_YAML):
        return False
    try:
        return read_description(listing).masks is not None
    except InputError:  # which is told by whoever reads more of it
        return False


def read(listing: FolderListing, description: DataDescription, name: str, on_step: OnStep) -> DataSource:
    """Pair images and masks, and read all masks for the classes that they have.

    Raises InputError where there is no pair, or the values of the masks stand for no classes.
    """
    pairing = _pair(listing, description)
    if not pairing.pairs:
        shown = [list_some(names, 3, ", ") or "none" for names in pairing[1:]]
        raise InputError(f"no image of {name} has a mask of its name: images are {shown[0]}; masks are {shown[1]}")
    images, masks, parts = zip(*pairing.pairs, strict=True)
    scan = scan_masks([listing.path(mask) for mask in masks], on_step)
    if scan.bad and not scan.counts:
        raise InputError(f"no mask of {name} can be read: {list_some(scan.bad)}")
    values, classes = choose_values(scan, description.classes, description.ignored, name)
    unseen = tuple(values.list_unseen(scan, classes))
    stored = [describe_value(value) for value in sorted(scan.counts)]
    check_asked(f"the masks of {name}", stored, [asked for asked in classes if asked not in unseen])
    samples = MaskedPictures(listing.folder, images, masks=masks, values=values)
    strays, bad = (*tell_left_out(pairing), *listing.tell_not_read()), (*scan.bad, *values.list_unknown(scan))
    return DataSource(name, "maps", samples, classes, images, parts=parts, strays=strays, bad=bad, unseen=unseen)


def _pair(listing: FolderListing, description: DataDescription) -> Pairing:
    """The pairs that a table names, or those of two folders."""
    if description.masks is not None:
        images = description.images or next(
            (name for name in listing.top_folders if name.lower() in IMAGE_FOLDERS), description.masks
        )
        return pair_files(listing, [FolderPair(images, description.masks, "")])
    folders = find_folder_pairs(listing)
    tables = _list_tables(listing, description)
    return pair_files(listing, folders) if folders and description.table is None else _read_table(listing, tables)


def _list_tables(listing: FolderListing, description: DataDescription | None) -> list[str]:
    found = find_tables(listing, description).items()
    return [file for file, columns in found if find_column(columns, IMAGE) and find_column(columns, MASK)]


def _read_table(listing: FolderListing, tables: Sequence[str]) -> Pairing:
    check_one(listing, tables, "image and mask")
    table = read_table(listing.path(tables[0]))
    image, mask, part = (find_column(table.columns, names) for names in (IMAGE, MASK, PART))
    pairs: dict[str, tuple[str, str, str]] = {}
    for row in table.rows:
        found = find_file(listing, table, row, str(image), _list_named(listing, IMAGE_FOLDERS))
        if found in pairs:
            raise InputError(f"{table.place(row)}: {found} is named a second time")
        other = find_file(listing, table, row, str(mask), _list_named(listing, MASK_FOLDERS))
        pairs[found] = (found, other, read_part(table, row, part))
    return Pairing(sorted(pairs.values()), [], [])


def _list_named(listing: FolderListing, names: Sequence[str]) -> list[str]:
    return [folder for folder in listing.folders if folder.rpartition("/")[2].lower() in names]


LAYOUT = DataLayout(
    "pairs of images and masks", "maps", DESCRIBED, ("classes", "ignore", "images", "masks", "table"), recognize, read
)
