"""The geometry of preprocessing: where an image lies on a network's input, and how it and what is said of it get there.

Training and prediction prepare images by these functions alone, so that a network is asked as it was taught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array
from archspec.errors import InputError
from archspec.wording import write_shape
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import LEVELS, MAX_NUMBERS, Preprocess
from runtime.pictures.resample import KERNELS, find_nearest, find_places, find_taps, resample

Extents = tuple[int, ...]

Fit = Callable[[Extents], Extents | None]
"""A function of extents that gives the least ones, none smaller, that a network takes; None where there are none."""

NOT_ASKED = 255
"""The class in a map of pixels, or voxels, that are not asked, padding among them."""


def place(preprocess: Preprocess, own: Sequence[int], spacing: Sequence[float] | None = None) -> Frame:
    """Find where an image of extents `own` lies on an input of the extents of training, which all images fit.

    Where it is not resized, its centre is seen, and what it lacks is padding behind it. `spacing` is that of a volume's
    own voxels, where it is known. Raises InputError for an image of another number of axes, or one that would grow
    beyond MAX_NUMBERS.
    """
    shown, size = _resize(preprocess, own, spacing), preprocess.size
    rest = [extent - pixels for extent, pixels in zip(size, shown, strict=True)]
    if preprocess.resize == "letterbox":
        start = tuple(pixels // 2 for pixels in rest)
    else:
        start = tuple(min(0, round(pixels / 2)) for pixels in rest)  # to even numbers, as torchvision's CenterCrop
    return Frame(tuple(own), shown, size, start)


def place_whole(preprocess: Preprocess, own: Sequence[int], fit: Fit, spacing: Sequence[float] | None = None) -> Frame:
    """Find where an image lies on an input that shows all of it, for answers that are said of its pixels: as large as
    it is, or as its shorter side is to be, where the network takes that by `fit`; else as `place` says.

    What the network takes more is padding behind it. Raises InputError as `place` does.
    """
    placed = place(preprocess, own, spacing)
    if preprocess.resize == "letterbox":
        return placed
    shown = placed.own if preprocess.resize == "exact" else placed.shown
    image = fit(shown)
    return Frame(placed.own, shown, image) if image else placed


def resize_image(image: Array, preprocess: Preprocess, frame: Frame) -> Array:
    """Make of an image (C, *own) in levels (uint8, uint16) or in float32 the input's (C, *image), in the same type:
    resized, with antialiasing, levels rounded to the nearest; cut; and padded, a letterbox with its fill, any other
    with its last rows and columns.

    Pictures of eight bits are resized by Pillow, as torchvision's and timm's are. An image that was decoded some whole
    number of times smaller is taken for the whole one. Raises InputError for an image of other extents than it was
    placed with.
    """
    times = frame.own[0] // max(1, image.shape[1])
    if tuple(extent * times for extent in image.shape[1:]) != frame.own:
        raise InputError(
            f"an image of {write_shape(image.shape[1:])} pixels was placed as one of {write_shape(frame.own)}"
        )
    shown = image if image.shape[1:] == frame.shown else _resample(image, preprocess.interpolation, frame.shown)
    kept = shown[(slice(None), *frame.find_kept())]
    if not frame.padded:
        return np.ascontiguousarray(kept)
    behind = [(0, 0), *((max(0, first), max(0, last)) for first, last in frame.padding)]
    if preprocess.fill is None:
        return np.pad(kept, behind, mode="edge")
    fill = preprocess.fill[::-1] if preprocess.order == "bgr" else preprocess.fill
    made = np.empty((len(image), *frame.image), image.dtype)
    made[:] = _round(np.array(fill) * LEVELS.get(image.dtype, 1), image.dtype).reshape(-1, *(1,) * len(frame.image))
    made[(slice(None), *frame.find_filled())] = kept
    return made


def resize_map(classes: Array, frame: Frame, padding: int = NOT_ASKED) -> Array:
    """Make of a map of classes (*own) the input's (*image): each pixel has the class of the one that it lies on;
    `padding` where it lies on none."""
    nearest = [
        find_nearest(own, shown)[kept]
        for own, shown, kept in zip(frame.own, frame.shown, frame.find_kept(), strict=True)
    ]
    made = np.full(frame.image, padding, classes.dtype)
    made[frame.find_filled()] = classes[np.ix_(*nearest)]
    return made


def move_points(points: npt.ArrayLike, frame: Frame) -> Float32Array:
    """Move points (..., axes or more), x before y, from the image's own pixels to the input's; what stands behind the
    coordinates stays."""
    moved = np.array(points, np.float64)
    last = len(frame.own) - 1
    for axis in range(len(frame.own)):
        moved[..., last - axis] = frame.from_own(moved[..., last - axis], axis)
    return moved.astype(np.float32)


def _resize(preprocess: Preprocess, own: Sequence[int], spacing: Sequence[float] | None) -> Extents:
    """The extents to which an image is resized before anything is cut or padded."""
    size = preprocess.size
    if len(own) != len(size):
        raise InputError(f"an image of {write_shape(own)} has {len(own)} axes; the network takes {len(size)}")
    if min(own) < 1:
        raise InputError(f"an image of {write_shape(own)} has no pixels")
    shown = _find_shown(preprocess, tuple(own), spacing)
    if shown != tuple(own) and preprocess.channels * prod(shown) > MAX_NUMBERS:
        large = write_shape((preprocess.channels, *shown))
        raise InputError(
            f"an image of {write_shape(own)} would be resized to {large}, more than {MAX_NUMBERS:,} numbers"
        )
    return shown


def _find_shown(preprocess: Preprocess, own: Extents, spacing: Sequence[float] | None) -> Extents:
    size, side = preprocess.size, preprocess.resize_to
    if preprocess.resize == "exact":
        return size if side is None else (side,) * len(size)
    if side is not None:
        return tuple(side * extent // min(own) for extent in own)  # floor, as torchvision's Resize
    if preprocess.resize == "letterbox":
        narrow = min(range(len(own)), key=lambda axis: size[axis] / own[axis])
        return tuple(
            min(most, max(1, (2 * extent * size[narrow] + own[narrow]) // (2 * own[narrow])))
            for extent, most in zip(own, size, strict=True)
        )
    if preprocess.spacing is None or spacing is None:
        return own
    pairs = zip(own, spacing, preprocess.spacing, strict=True)
    return tuple(max(1, round(min(extent * apart / wanted, MAX_NUMBERS + 1))) for extent, apart, wanted in pairs)


def _resample(image: Array, interpolation: str, shown: Extents) -> Array:
    """The image (C, *extents) at other extents, in its own type."""
    if interpolation == "nearest":
        for axis, (extent, wanted) in enumerate(zip(image.shape[1:], shown, strict=True), 1):
            image = image.take(find_nearest(extent, wanted), axis)
        return image
    if len(shown) == 2:
        from runtime.pictures.pillow import resize_picture  # here, since volumes need no Pillow

        return resize_picture(image, interpolation, shown)
    taps = [
        find_taps(find_places(extent, wanted), extent, extent / wanted, KERNELS[interpolation])
        for extent, wanted in zip(image.shape[1:], shown, strict=True)
    ]
    return np.moveaxis(_round(resample(np.moveaxis(image, 0, -1), taps, np.float32), image.dtype), -1, 0)


def _round(values: Array, dtype: np.dtype[np.generic]) -> Array:
    """The values in a type, levels rounded and within their bounds."""
    whole = LEVELS.get(dtype)
    return values.astype(dtype) if whole is None else np.rint(values).clip(0, whole).astype(dtype)
