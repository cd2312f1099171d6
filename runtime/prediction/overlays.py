"""Overlays on images: the areas of classes, and points."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from math import ceil

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.wording import cut_middle
from runtime.prediction.png import GAP, INK, LINE, PAPER, to_pixels
from runtime.prediction.slices import lay_slices
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.drawing import Areas, Overlay, Points

with extra("run"):
    from PIL import Image, ImageDraw, ImageFont


SIDE = 256
"""The least number of pixels along the longer side of a drawn image; a smaller one is enlarged by a whole number,
without blur."""

STRENGTH = 0.6
"""The part of a class's colour in a pixel that it is laid over."""

GOLDEN = 0.618034
"""The golden section, in turns of the hue."""

MAX_CLASSES = 256
"""The largest number of classes in a map that is drawn: a palette has as many colours."""

MAX_NAMES = 40
"""The largest number of names in the key beneath a picture."""
MAX_NAME = 40
"""The largest number of letters of a name in the key."""

KEY_LINE, KEY_SWATCH = 24, 14


def colour_of(number: int) -> tuple[int, int, int]:
    """Choose a colour for each class but 0, which is black: hues a golden section apart, so that neighbours differ."""
    if number == 0:
        return 0, 0, 0
    red, green, blue = colorsys.hsv_to_rgb((number - 1) * GOLDEN % 1, 0.85 if number % 2 else 0.6, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_overlay(image: Array, overlay: Overlay) -> Image.Image:
    """Draw the image (C, H, W) in [0, 1], enlarged, with the overlay on it; of a volume (C, depth, height, width) three
    planes through its middle.

    Raises InputError for more classes than a palette has colours, and for other than one or three channels.
    """
    return _paint_areas(image, overlay) if isinstance(overlay, Areas) else _draw_points(image, overlay)


def _paint_areas(image: Array, areas: Areas) -> Image.Image:
    """The colour of each position's class over the image; places that the map does not reach stay as they are."""
    if areas.classes.ndim != image.ndim - 1:
        check_map(areas.classes)
    large = _spread(areas, image.shape[1:])
    if image.ndim == 4:
        image, large = lay_slices(image), lay_slices(large)
    check_map(large)
    pixels = _as_colours(image).astype(np.float32)
    colours = np.array([colour_of(number) for number in range(MAX_CLASSES)], np.float32)
    strength = np.float32(STRENGTH) * (large > 0)[..., None]
    return _enlarge(np.rint((1 - strength) * pixels + strength * colours[large]).astype(np.uint8))


def _spread(areas: Areas, extents: Sequence[int]) -> Array:
    """The class of each pixel (*extents) by the position that it is of; 0 where there is none."""
    grid, large = areas.grid, areas.classes
    for axis, (side, offset) in enumerate(zip(extents, grid.offsets, strict=True)):
        places = (np.arange(side) - offset) // grid.strides[axis]
        nearest = np.clip(places, 0, grid.extents[axis] - 1)
        large = large.take(nearest, axis)
        large[(slice(None),) * axis + (nearest != places,)] = 0
    return large


def _draw_points(image: Array, points: Points) -> Image.Image:
    """A dot at each point that was found, and a ring at each true one."""
    picture = _enlarge(_as_colours(image))
    scale = picture.width // image.shape[2]
    draw = ImageDraw.Draw(picture)
    radius = max(3, picture.width // 60)
    for number, (x, y) in enumerate([] if points.true is None else points.true[:, :2].tolist(), 1):
        if np.isfinite(x + y):
            draw.ellipse(_around(x, y, scale, 2 * radius), outline=colour_of(number), width=2)
    for number, (x, y) in enumerate(points.found[:, :2].tolist(), 1):
        if np.isfinite(x + y):
            draw.ellipse(_around(x, y, scale, radius), fill=colour_of(number), outline="#000000")
    return picture


def add_key(picture: Image.Image, legend: Sequence[tuple[int, str]]) -> Image.Image:
    """Put beneath the picture a swatch and a name for each number of a colour: for MAX_NAMES of them at most."""
    font = ImageFont.load_default(15)
    draw = ImageDraw.Draw(picture)
    entries = [(colour_of(number), cut_middle(name, MAX_NAME)) for number, name in legend[:MAX_NAMES]]
    width = max(picture.width, SIDE)
    left, line, places = GAP, 0, []
    for _, name in entries:
        room = KEY_SWATCH + 6 + ceil(draw.textlength(name, font=font)) + GAP
        if left + room > width and left > GAP:
            left, line = GAP, line + 1
        places.append((left, picture.height + GAP // 2 + line * KEY_LINE))
        left += room
    sheet = Image.new("RGB", (width, picture.height + (line + 1) * KEY_LINE + GAP), PAPER)
    sheet.paste(picture)
    draw = ImageDraw.Draw(sheet)
    for (colour, name), (x, y) in zip(entries, places, strict=True):
        draw.rectangle((x, y + 4, x + KEY_SWATCH, y + 4 + KEY_SWATCH), fill=colour, outline=LINE)
        draw.text((x + KEY_SWATCH + 6, y), name, fill=INK, font=font)
    return sheet


def check_map(classes: Array) -> None:
    """Raises InputError unless a map of classes can be drawn: it has two axes, and a palette has enough colours."""
    if classes.ndim != 2:
        raise InputError(f"a class map with {classes.ndim} axes, {classes.shape}, cannot be drawn; only two can")
    if classes.max(initial=0) + (classes == UNANSWERED).any() >= MAX_CLASSES:
        raise InputError(f"a class map with more than {MAX_CLASSES} classes cannot be drawn")


def _as_colours(image: Array) -> npt.NDArray[np.uint8]:
    pixels = to_pixels(image)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _enlarge(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    factor = -(-SIDE // max(pixels.shape[:2]))
    return Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))


def _around(x: float, y: float, scale: int, radius: int) -> tuple[float, float, float, float]:
    x, y = (x + 0.5) * scale, (y + 0.5) * scale
    return x - radius, y - radius, x + radius, y + radius
