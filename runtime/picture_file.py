"""Pictures from PNG and JPEG files as they are looked at: upright, at their full depth, on a ground."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import check_is_file
from runtime.extras import extra

with extra("run"):
    from PIL import Image, UnidentifiedImageError

Floats = npt.NDArray[np.float32]
Plane = npt.NDArray[Any]
Ground = tuple[int, int, int]

FORMATS = ("PNG", "JPEG")

MOST_PIXELS = 1 << 26
"""Pictures of more pixels (8,192 by 8,192) are refused before they are decoded: a small file can hold a huge one."""

FAINT = 0.05
"""A 16-bit picture that uses a smaller part of its range is nearly black, and was hardly meant to be."""

GROUNDS: Mapping[str, Ground] = MappingProxyType({"white": (255, 255, 255), "black": (0, 0, 0)})

GRAY = (19595 / 65536, 38470 / 65536, 7471 / 65536)
"""The luma of ITU-R BT.601 in the fractions that Pillow takes; they add up to one."""

OTHERS = {
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"RIFF": "a WebP",
    b"%PDF": "a PDF",
}
"""What pictures of other kinds begin with."""

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
"""By its value, in which order rows and columns are read, and whether they change places after that."""

DEEP = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}
"""Pillow keeps one byte of each two: read as little-endian numbers, it keeps the other one."""

DEEP_GRAY = "LA;16B"
"""Its four bytes are as many as a pixel of RGBA has."""

SHALLOW = {"L;2": 85, "L;4": 17}
"""By how much Pillow multiplies the values of gray with fewer bits; not so the one that is transparent."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What a file holds: one plane of gray or three of colours, (height, width) in whole numbers up to `whole`, and how
    much each pixel covers what lies beneath it, in the same numbers; None where all cover it wholly."""

    path: str
    planes: tuple[Plane, ...]
    alpha: Plane | None
    whole: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.planes[0].shape
        return height, width

    @property
    def faint(self) -> int | None:
        """The largest value of a 16-bit picture that uses a twentieth of its range, or less."""
        largest = int(max(plane.max() for plane in self.planes))
        return largest if self.whole > 255 and 0 < largest < FAINT * self.whole else None

    def paint(self, channels: int, size: tuple[int, int], ground: Ground | None = None) -> Floats:
        """Values in [0, 1], (channels, height, width), of one channel or three; resized (bilinear, antialiased) where
        `size` is another. What is transparent lies on `ground`.

        Raises ArchspecError where something is transparent and there is no ground.
        """
        if self.alpha is not None and ground is None:
            raise ArchspecError(
                f"{self.path} is transparent in places, and shows another picture on each ground: "
                "say which, as in --ground white or --ground black or --ground '#204060'"
            )
        coloured = len(self.planes) == 3 or (self.alpha is not None and ground is not None and len(set(ground)) > 1)
        planes = (self._cover(band, ground) for band in range(3 if coloured else 1))
        if channels == 1 and coloured:
            gray = sum(np.float32(weight) * plane for weight, plane in zip(GRAY, planes, strict=True))
            return _resize(np.asarray(gray, np.float32), size)[None]
        painted = [_resize(plane, size) for plane in planes]
        return np.stack(painted if len(painted) == channels else painted * channels)

    def _cover(self, band: int, ground: Ground | None) -> Floats:
        """A plane in [0, 1] on its ground, mixed as browsers do: in the values that are stored."""
        plane: Floats = self.planes[band % len(self.planes)].astype(np.float32) / np.float32(self.whole)
        if self.alpha is None or ground is None:
            return plane
        share = self.alpha.astype(np.float32) / np.float32(self.whole)
        return np.asarray(share * plane + (1 - share) * np.float32(ground[band] / 255), np.float32)


def open_picture(path: str | Path) -> Picture:
    """Decode a PNG or JPEG. Raises ArchspecError, naming the file, where it is missing, broken, too large or none."""
    check_is_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's advice; what is too large is refused, and EXIF may be broken
            return _decode(path)
    except ArchspecError:
        raise
    except Image.DecompressionBombError as error:
        raise ArchspecError(f"{path} is too large a picture") from error
    except UnidentifiedImageError as error:
        raise ArchspecError(f"{path} is {_tell_kind(path)}") from error
    except MemoryError as error:
        raise ArchspecError(f"{path} is too large a picture for the memory that there is") from error
    except Exception as error:  # a broken file leads Pillow's decoders into OSError, SyntaxError, struct.error, ...
        raise ArchspecError(f"{path} is a broken picture: {error}") from error


def parse_ground(text: str) -> Ground:
    """`white`, `black` or `#rrggbb`. Raises ArchspecError."""
    if text in GROUNDS:
        return GROUNDS[text]
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ArchspecError(f"a ground is white, black or a colour such as '#204060', found '{text[:40]}'")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue


def _decode(path: str | Path) -> Picture:
    picture, raw = _load(path)
    whole, key = 255, picture.info.get("transparency")
    if raw in DEEP:
        high, low = (np.asarray(_load(path, other)[0], np.uint16) for other in DEEP[raw])
        bands, whole = high << 8 | low, 65535
    elif raw == DEEP_GRAY:
        pairs = np.asarray(_load(path, "RGBA")[0], np.uint16)
        bands, whole = pairs[..., ::2] << 8 | pairs[..., 1::2], 65535
    elif picture.mode.startswith("I"):
        bands, whole = np.asarray(picture).astype(np.uint16), 65535
    else:
        key = None if picture.mode == "P" else key
        bands = np.asarray(picture.convert(_choose_mode(picture)))
    planes = _split(bands)
    alpha = planes.pop() if len(planes) in (2, 4) else _find_key(planes, key, whole, SHALLOW.get(raw, 1))
    if alpha is not None and alpha.min() == whole:
        alpha = None
    turn = _find_turn(picture)
    return Picture(str(path), tuple(map(turn, planes)), None if alpha is None else turn(alpha), whole)


def _load(path: str | Path, raw: str | None = None) -> tuple[Image.Image, str]:
    """A picture, and how its pixels are stored in the file; `raw` reads them as if they were stored so."""
    with Image.open(path, formats=FORMATS) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ArchspecError(f"{path} is too large a picture: more than {MOST_PIXELS:,} pixels")
        stored = picture.tile[0][3] if picture.tile else ""
        if raw is not None:
            picture.tile = [(*picture.tile[0][:3], raw)]  # type: ignore[list-item]  # older versions have no class for it
        picture.load()
        return picture, stored if isinstance(stored, str) else ""


def _resize(plane: Floats, size: tuple[int, int]) -> Floats:
    if plane.shape == size:
        return plane
    return np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR), np.float32)


def _choose_mode(picture: Image.Image) -> str:
    if picture.mode == "P":
        return "RGBA" if "transparency" in picture.info else "RGB"
    return {"1": "L", "L": "L", "LA": "LA", "RGBA": "RGBA"}.get(picture.mode, "RGB")


def _split(bands: Plane) -> list[Plane]:
    return [bands] if bands.ndim == 2 else [bands[..., band] for band in range(bands.shape[2])]


def _find_key(planes: list[Plane], key: object, whole: int, factor: int) -> Plane | None:
    """The alpha of a picture in which one colour is transparent, or none."""
    values = key if isinstance(key, tuple) else (key,)
    if key is None or len(values) != len(planes):
        return None
    differs = np.zeros(planes[0].shape, bool)
    for plane, value in zip(planes, values, strict=True):
        differs |= plane != int(value) * factor
    return np.where(differs, whole, 0)


def _find_turn(picture: Image.Image) -> Any:
    """What turns a plane as the picture's EXIF says; it may be broken, and nothing else of the picture is then."""
    try:
        rows, columns, transposed = TURNS[picture.getexif().get(ORIENTATION)]
    except Exception:
        return lambda plane: plane
    return lambda plane: plane[rows, columns].T if transposed else plane[rows, columns]


def _tell_kind(path: str | Path) -> str:
    with open(path, "rb") as file:
        start = file.read(16)
    if start.startswith(np.lib.format.MAGIC_PREFIX):
        return f"an array: name it {Path(path).stem}.npy"
    for beginning, kind in OTHERS.items():
        if start.startswith(beginning):
            return f"no PNG or JPEG but {kind}: save it as PNG, which keeps 16 bits too, or give its numbers as .npy"
    return "no PNG or JPEG"
