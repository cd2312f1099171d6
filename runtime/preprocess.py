"""From an image file to the array that a network was trained on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tokenize import TokenError

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import check_is_file
from runtime.extras import extra
from runtime.strict_json import check_integer, check_keys, check_number, read_json

with extra("run"):
    from PIL import Image, ImageOps, UnidentifiedImageError

Floats = npt.NDArray[np.float32]

MOST_PIXELS = 1 << 26
"""Pictures of more pixels (8,192 by 8,192) are refused before they are decoded: a small file can hold a huge one."""

MOST_EXTENT = 1 << 15
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class Preprocess:
    """A network's input: channels × height × width, and per channel the mean and std of values that lay in [0, 1].

    Raises ArchspecError where an extent or a std is not positive, or `channels` is not the number of means or of stds.
    """

    channels: int
    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name in ("channels", "height", "width"):
            check_integer(getattr(self, name), f"preprocessing: '{name}'", most=MOST_EXTENT)
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.channels:
                raise ArchspecError(f"preprocessing: '{name}' needs {self.channels} values, found {len(values)}")
            object.__setattr__(self, name, tuple(check_number(item, f"preprocessing: '{name}'") for item in values))
        if min(self.std) <= 0:
            raise ArchspecError(f"preprocessing: 'std' must be positive, found {min(self.std)}")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.channels, self.height, self.width

    def normalize(self, values: npt.ArrayLike) -> Floats:
        """Values in [0, 1], (..., C, H, W), to what the network reads: (values - mean) / std, in float32."""
        return ((np.asarray(values, dtype=np.float64) - self._column(self.mean)) / self._column(self.std)).astype(
            np.float32
        )

    def restore(self, images: npt.ArrayLike) -> Floats:
        """The inverse of `normalize`, for showing what the network saw."""
        return (np.asarray(images, dtype=np.float64) * self._column(self.std) + self._column(self.mean)).astype(
            np.float32
        )

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Preprocess:
        """Raises ArchspecError for anything but the five keys with finite values of the right kind and number."""
        found = check_keys(read_json(text, "preprocessing"), "preprocessing", [field.name for field in fields(cls)])
        for name in ("mean", "std"):
            if not isinstance(found[name], list):
                raise ArchspecError(f"preprocessing: '{name}' must be a list of numbers")
        return cls(**{**found, "mean": tuple(found["mean"]), "std": tuple(found["std"])})

    def _column(self, values: Sequence[float]) -> npt.NDArray[np.float64]:
        return np.asarray(values, dtype=np.float64)[:, None, None]


def load_images(path: str | Path, preprocess: Preprocess) -> Floats:
    """One picture, or all that a .npy holds: (N, C, H, W) in float32, preprocessed. Raises ArchspecError."""
    if Path(path).suffix.lower() != ".npy":
        return load_image(path, preprocess)[None]
    found = load_array(path)
    images = found[None] if found.ndim == 3 else found
    if images.ndim != 4 or images.shape[1:] != preprocess.shape or not len(images):
        expected = ", ".join(map(str, preprocess.shape))
        raise ArchspecError(f"{path} has shape {found.shape}; the network takes ({expected}) or (N, {expected})")
    return images


def load_image(path: str | Path, preprocess: Preprocess) -> Floats:
    """A PNG or JPEG as the network reads it: (C, H, W) in float32, resized (bilinear, antialiased) and normalized.

    Raises ArchspecError, naming the file, where it is missing, broken, too large or no picture.
    """
    picture = _open_picture(path, _mode(preprocess))
    resized = picture.resize((preprocess.width, preprocess.height), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, dtype=np.float32) / 255
    return preprocess.normalize(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))


def measure_picture(path: str | Path) -> tuple[int, int]:
    """Height and width of a PNG or JPEG as it is looked at, in pixels. Raises ArchspecError as `load_image` does."""
    picture = _open_picture(path, "L")
    return picture.height, picture.width


def load_array(path: str | Path) -> Floats:
    """A .npy of finite floating-point numbers, as float32, in the shape it has; ArchspecError names what is wrong."""
    return read_floats(map_array(path), path)


def map_array(path: str | Path) -> npt.NDArray[np.floating]:
    """A .npy of floating-point numbers that stays in its file until it is read; ArchspecError names what is wrong."""
    check_is_file(path)
    try:
        # Mapped, not read: a header that promises more than the file holds is refused before memory is taken.
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, MemoryError, SyntaxError, TokenError) as error:
        raise ArchspecError(f"{path} is not a readable .npy file: {error}") from error
    if not isinstance(found, np.ndarray):
        raise ArchspecError(f"{path} holds several arrays (.npz); give one .npy")
    if found.dtype.kind != "f":
        raise ArchspecError(f"{path} holds {found.dtype}; a .npy must hold preprocessed floating-point numbers")
    return found


def read_floats(found: npt.NDArray[np.floating], path: str | Path) -> Floats:
    """Numbers of a file in float32. Raises ArchspecError where one is not finite."""
    with np.errstate(over="ignore"):
        values = np.array(found, dtype=np.float32, order="C")
    if not np.isfinite(values).all():
        raise ArchspecError(f"{path} holds infinite numbers or NaN")
    return values


def _mode(preprocess: Preprocess) -> str:
    if preprocess.channels not in MODES:
        raise ArchspecError(f"the network takes {preprocess.channels} channels: give it .npy files, not pictures")
    return MODES[preprocess.channels]


def _open_picture(path: str | Path, mode: str) -> Image.Image:
    check_is_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the bound below is the stricter one
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                if picture.width * picture.height <= MOST_PIXELS:
                    return _reduce_depth(ImageOps.exif_transpose(picture)).convert(mode)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = "is too large a picture" if isinstance(error, Image.DecompressionBombError) else "is no PNG or JPEG"
        raise ArchspecError(f"{path} {reason}") from error
    except Exception as error:  # a broken file leads Pillow's decoders into OSError, SyntaxError, struct.error, ...
        raise ArchspecError(f"{path} is a broken picture: {error}") from error
    raise ArchspecError(f"{path} is too large a picture: more than {MOST_PIXELS:,} pixels")


def _reduce_depth(picture: Image.Image) -> Image.Image:
    """16-bit gray as 8-bit: Pillow's own conversion clips at 255 in some versions and shifts in others."""
    if not picture.mode.startswith("I"):
        return picture
    return Image.fromarray((np.asarray(picture).astype(np.int64) // 257).clip(0, 255).astype(np.uint8))
