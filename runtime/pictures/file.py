"""Pictures from PNG and JPEG files as they are looked at: upright, at their full depth, on a ground."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from archspec.arrays import Array, Float32Array
from archspec.errors import ArchspecError, InputError, raising
from archspec.extras import extra
from archspec.file_types import ARRAY, OTHER_PICTURES, READ_PICTURES, find_file_type
from archspec.files import check_is_file
from archspec.wording import cut
from runtime.pictures.luma import find_luma
from runtime.pictures.png_stream import MAX_COLOURS, Transparency, has_all_rows, read_transparency

with extra("run"):
    from PIL import Image, UnidentifiedImageError

Ground = tuple[int, int, int]

PictureSize = tuple[int, int]
"""A height and a width, in pixels."""

FindShown = Callable[[PictureSize], Sequence[int]]
"""A function of a picture's own extents that gives those at which it is shown."""

FORMATS = tuple(kind.name for kind in READ_PICTURES)

MAX_PIXELS = 1 << 26
"""The largest number of pixels of a picture (8,192 by 8,192) that is decoded: a small file can hold a huge one."""

REDUCTIONS, SPARE = (8, 4, 2), 1.5
"""How many times smaller a JPEG can be decoded, and how many times larger than it is shown it stays at least: then a
level is off by less than one, in the mean over a photograph, and half of the time is saved."""

DAMAGED = "it is cut off or damaged: copy it or save it again"
"""What somebody can do about a picture that begins as one and cannot be decoded."""

FAINT = 1 / 16
"""A 16-bit picture that uses a smaller part of its range is nearly black, and was hardly meant to be."""

GROUNDS: Mapping[str, Ground] = MappingProxyType({"white": (255, 255, 255), "black": (0, 0, 0)})

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held."""

TURNS: Mapping[object, tuple[slice, slice, bool]] = MappingProxyType(
    {
        2: (slice(None), slice(None, None, -1), False),
        3: (slice(None, None, -1), slice(None, None, -1), False),
        4: (slice(None, None, -1), slice(None), False),
        5: (slice(None), slice(None), True),
        6: (slice(None, None, -1), slice(None), True),
        7: (slice(None, None, -1), slice(None, None, -1), True),
        8: (slice(None), slice(None, None, -1), True),
    }
)
"""The order in which rows and columns are read, and whether they change places after that, by the tag's value."""

DEEP = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}
"""Two raw modes for each mode of 16 bits: Pillow keeps one byte of each two, and read as little-endian the other
one."""

MODES = {"1": "L", "L": "L", "LA": "LA", "RGBA": "RGBA"}
"""The mode in which a picture of eight bits is read, by Pillow's mode of its file; all others are read in RGB."""

DEEP_GRAY = "LA;16B"
"""The raw mode of gray and alpha of 16 bits: its four bytes are as many as a pixel of RGBA has."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """The pixels of a file: gray or colours, (height, width, 1 or 3) in whole numbers up to `whole`, and how much each
    pixel covers what lies beneath it, (height, width) in the same numbers; None where all cover it wholly. Each stands
    for `reduced` by `reduced` of the file's own pixels."""

    path: str
    bands: Array
    alpha: Array | None
    whole: int
    reduced: int = 1

    @property
    def size(self) -> PictureSize:
        """The height and the width of the file's picture, in its own pixels."""
        height, width, _ = self.bands.shape
        return height * self.reduced, width * self.reduced

    @property
    def faint(self) -> int | None:
        """The largest value of a 16-bit picture that uses less than a sixteenth of its range, as 12 bits do."""
        largest = int(self.bands.max())
        return largest if self.whole > 255 and 0 < largest < FAINT * self.whole else None

    def take_levels(self, channels: int | None = None, ground: Ground | None = None) -> Array:
        """Give the levels of one channel or three, red first, or of as many as there are, (channels, height, width) in
        uint8 or uint16. What is transparent lies on `ground`, and of colours one channel is the luma, both rounded to
        the nearest level. Their memory is a picture's, with a pixel's channels side by side.

        Raises InputError where something is transparent and there is no ground.
        """
        bands = self.bands if self.alpha is None else self._cover(self.alpha, ground)
        levels = bands.astype(np.uint8 if self.whole == 255 else np.uint16, copy=False)
        if channels == 1 and levels.shape[2] == 3:
            levels = find_luma(levels)[..., None]
        wanted = np.broadcast_to(levels, (*levels.shape[:2], channels or levels.shape[2]))
        fresh = wanted.flags.writeable and min(wanted.strides) > 0  # else torch refuses it: Pillow's, or turned
        return np.moveaxis(wanted if fresh else np.array(wanted, order="C"), 2, 0)

    def paint(self, channels: int, ground: Ground | None = None) -> Float32Array:
        """Give the levels that `take_levels` gives as values in [0, 1]."""
        return np.asarray(self.take_levels(channels, ground) / np.float32(self.whole), np.float32)

    def _cover(self, alpha: Array, ground: Ground | None) -> Array:
        """The bands on their ground, mixed as browsers do: in the values that are stored."""
        if ground is None:
            raise InputError(
                f"{self.path} is transparent in places, and shows another picture on each ground: "
                "say which, as in --ground white or --ground black or --ground '#204060'"
            )
        share = alpha[..., None].astype(np.float32) / np.float32(self.whole)
        beneath = np.array(ground if len(set(ground)) > 1 or self.bands.shape[2] == 3 else ground[:1], np.float32)
        mixed = share * self.bands + (1 - share) * (beneath * np.float32(self.whole / 255))
        return np.asarray(np.rint(mixed).clip(0, self.whole))


@raising(InputError)
def open_picture(path: str | Path, find_shown: FindShown | None = None) -> Picture:
    """Decode a PNG or JPEG. Raises InputError, naming the file, where it is missing, broken, too large or none.

    `find_shown` gives, of the picture's own extents, those at which it will be shown. A JPEG that is much larger is
    decoded at a half, a fourth or an eighth, where that divides its extents, so that pixels stay whole.
    """
    with telling_damage(path):
        return _decode(path, find_shown)


@contextmanager
def telling_damage(path: str | Path) -> Iterator[None]:
    """Raise, of anything that goes wrong while a picture is decoded, an ArchspecError that names the file and says what
    is wrong with it."""
    check_is_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's advice; what is too large is refused, and EXIF may be broken
            yield
    except ArchspecError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path} is too large a picture") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is {_tell_kind(path)}") from error
    except MemoryError as error:
        raise InputError(f"{path} is too large a picture for the memory that there is") from error
    except Exception as error:  # a broken file leads Pillow's decoders into OSError, SyntaxError, struct.error, ...
        raise InputError(f"{path} is a broken picture: {error}; {DAMAGED}") from error


def parse_ground(text: str) -> Ground:
    """Read `white`, `black` or `#rrggbb`. Raises InputError for anything else."""
    if text in GROUNDS:
        return GROUNDS[text]
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise InputError(f"a ground is white, black or a colour such as '#204060', found '{cut(text, 40)}'")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _decode(path: str | Path, find_shown: FindShown | None) -> Picture:
    picture, raw, reduced = load_pixels(path, find_shown=find_shown)
    clear = read_transparency(path) if picture.format == "PNG" else Transparency()
    whole, entries = 255, None
    bands: Array
    if raw in DEEP:
        high, low = (np.asarray(load_pixels(path, other)[0], np.uint16) for other in DEEP[raw])
        bands, whole = high << 8 | low, 65535
    elif raw == DEEP_GRAY:
        pairs = np.asarray(load_pixels(path, "RGBA")[0], np.uint16)
        bands, whole = pairs[..., ::2] << 8 | pairs[..., 1::2], 65535
    elif picture.mode.startswith("I"):
        bands, whole = np.asarray(picture).astype(np.uint16), 65535
    else:
        entries, mode = np.asarray(picture) if clear.alphas else None, MODES.get(picture.mode, "RGB")
        bands = np.asarray(picture if picture.mode == mode else picture.convert(mode))
    bands = bands.reshape(*bands.shape[:2], -1)
    alpha = bands[..., -1] if bands.shape[2] in (2, 4) else _find_alpha(clear, bands, entries, whole)
    bands = bands[..., :3] if bands.shape[2] > 2 else bands[..., :1]
    if alpha is not None and alpha.min() == whole:
        alpha = None
    turn = find_turn(picture)
    return Picture(str(path), turn(bands), None if alpha is None else turn(alpha), whole, reduced)


def load_pixels(
    path: str | Path, raw: str | None = None, find_shown: FindShown | None = None
) -> tuple[Image.Image, str, int]:
    """Load a picture, and tell how its pixels are stored in the file, and how many times smaller it was decoded; `raw`
    reads them as if they were stored so.

    Raises InputError where it is too large or lacks rows, and whatever Pillow's decoders do."""
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise InputError(f"{path} is too large a picture: more than {MAX_PIXELS:,} pixels")
        stored = picture.tile[0][3] if picture.tile else ""
        if raw is not None:
            picture.tile = [(*picture.tile[0][:3], raw)]  # type: ignore[list-item]  # older versions have no class for it
        reduced = _reduce(picture, find_shown) if find_shown is not None and picture.format == "JPEG" else 1
        picture.load()
        # Rows that are missing come out black; those of an interlaced picture lie between others.
        width, height = picture.size
        black = picture.format == "PNG" and not np.asarray(picture.crop((0, height - 1, width, height))).any()
        if (black or picture.info.get("interlace")) and not has_all_rows(path):
            raise InputError(f"{path} is a broken picture: it has fewer rows than it says; {DAMAGED}")
        return picture, stored if isinstance(stored, str) else "", reduced


def _reduce(picture: Image.Image, find_shown: FindShown) -> int:
    """Have a JPEG decoded at a part of its size, if it is shown much smaller. Gives how many times smaller it is."""
    width, height = picture.size
    turned = find_turn(picture)(np.broadcast_to(np.uint8(0), (height, width))).shape != (height, width)
    shown = find_shown((width, height) if turned else (height, width))
    down, right = reversed(shown) if turned else shown
    for times in REDUCTIONS:
        whole = width % times == 0 and height % times == 0
        if whole and height >= SPARE * times * down and width >= SPARE * times * right:
            picture.draft(None, (width // times, height // times))
            return width // picture.width
    return 1


def _find_alpha(clear: Transparency, bands: Array, entries: Array | None, whole: int) -> Array | None:
    """The alpha of a picture that has no channel of it, by its colours or by its `entries` of a palette."""
    if entries is not None:
        return np.frombuffer(clear.alphas.ljust(MAX_COLOURS, b"\xff"), np.uint8)[entries]
    return None if clear.key is None else np.where((bands == clear.key).all(-1), 0, whole)


def find_turn(picture: Image.Image) -> Any:
    """Find what turns an array as the picture's EXIF says; it may be broken, and nothing else of the picture is
    then."""
    try:
        rows, columns, transposed = TURNS[picture.getexif().get(ORIENTATION)]
    except Exception:
        return lambda array: array
    return lambda array: array[rows, columns].swapaxes(0, 1) if transposed else array[rows, columns]


def _tell_kind(path: str | Path) -> str:
    kind = find_file_type(path)
    if kind == ARRAY:
        return f"an array: name it {Path(path).stem}.npy"
    if any(kind == other.described for other in OTHER_PICTURES):
        return f"no PNG or JPEG but {kind}: save it as PNG, which keeps 16 bits too, or give its numbers as .npy"
    if any(kind == one.described for one in READ_PICTURES):
        return f"a broken picture: it begins as {kind}, and goes on as none; {DAMAGED}"
    return (
        f"no PNG or JPEG{f' but {kind}' if kind else ''}: give pictures of these kinds, folders of them, or .npy files"
    )
