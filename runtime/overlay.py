"""Class maps and joints drawn over the images that they answer for."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.files import write_whole
from runtime.extras import extra
from runtime.picture import FAINT, GAP, INK, MARGIN, PAPER, to_pixels
from runtime.predict import Answered
from runtime.preprocess import Preprocess
from runtime.tasks.answers import ClassMap, Pose
from runtime.tasks.grid import Grid

with extra("run"):
    from PIL import Image, ImageDraw, ImageFont

Numbers = npt.NDArray[Any]

LEAST_SIDE = 256
"""Pixels along the longer side of a drawn image; a smaller one is enlarged by a whole number, without blur."""

STRENGTH = 0.6
"""Of a class's colour over the image."""

GOLDEN = 0.618034
MOST_CLASSES = 256
SHEET_HEADER, SHEET_CAPTION, SHEET_COLUMNS = 92, 26, 4


def colour_of(number: int) -> tuple[int, int, int]:
    """A colour for each class but 0, which is black: hues a golden section apart, so that neighbours differ."""
    if number == 0:
        return 0, 0, 0
    red, green, blue = colorsys.hsv_to_rgb((number - 1) * GOLDEN % 1, 0.85 if number % 2 else 0.6, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def save_map(path: str | Path, classes: Numbers) -> None:
    """Write a class map (height, width) as a PNG with a palette: the value of a pixel is the number of its class.

    Raises ArchspecError for volumes, and for more classes than a palette has colours.
    """
    _check_map(classes)
    height, width = classes.shape
    picture = Image.frombytes("P", (width, height), classes.astype(np.uint8).tobytes())
    picture.putpalette([value for number in range(MOST_CLASSES) for value in colour_of(number)])
    save_picture(path, picture)


def paint_map(image: Numbers, classes: Numbers, grid: Grid) -> Image.Image:
    """An image (C, H, W) in [0, 1], enlarged, with the colour of each position's class over it; class 0 leaves it as it
    is, and so do places that the map does not reach."""
    _check_map(classes)
    pixels = _as_colours(image).astype(np.float64)
    colours = np.array([colour_of(number) for number in range(MOST_CLASSES)], np.float64)
    large = classes.repeat(grid.stride, 0).repeat(grid.stride, 1)
    top, left = grid.offsets
    large = large[max(-top, 0) :, max(-left, 0) :]  # positions may reach beyond the image, on both sides
    part = pixels[max(top, 0) :, max(left, 0) :][: large.shape[0], : large.shape[1]]
    large = large[: part.shape[0], : part.shape[1]]
    strength = STRENGTH * (large > 0)[..., None]
    part[:] = (1 - strength) * part + strength * colours[large]
    return _enlarge(np.rint(pixels).astype(np.uint8))


def mark_joints(image: Numbers, joints: Numbers, truth: Numbers | None = None) -> Image.Image:
    """An image (C, H, W) in [0, 1], enlarged, with a dot at each joint (rows x, y, …) and a ring at each true one."""
    picture = _enlarge(_as_colours(image))
    scale = picture.width // image.shape[2]
    draw = ImageDraw.Draw(picture)
    radius = max(3, picture.width // 60)
    for number, (x, y) in enumerate([] if truth is None else truth[:, :2].tolist(), 1):
        if np.isfinite(x + y):
            draw.ellipse(_around(x, y, scale, 2 * radius), outline=colour_of(number), width=2)
    for number, (x, y) in enumerate(joints[:, :2].tolist(), 1):
        draw.ellipse(_around(x, y, scale, radius), fill=colour_of(number), outline="#000000")
    return picture


def save_answer(folder: str | Path, name: str, answered: Answered, preprocess: Preprocess | None) -> list[Path]:
    """Write `NAME.png`, a map or joints over the image as the network read it, and for a map `NAME.map.png` as well, in
    which a pixel's value is the number of its class. Gives the files.

    Without preprocessing nobody knows what is white, and the image is stretched. Raises ArchspecError for labels, which
    have no picture, for volumes, and for images of other than one or three channels.
    """
    image = preprocess.restore(answered.image) if preprocess else stretch(answered.image)
    path = Path(folder) / f"{name}.png"
    if isinstance(answered.answer, Pose):
        save_picture(path, mark_joints(image, answered.answer.array))
        return [path]
    if not isinstance(answered.answer, ClassMap):
        raise ArchspecError("a label has no picture; pictures are drawn of maps and joints")
    save_picture(path, paint_map(image, answered.answer.array, answered.grid))
    save_map(path.with_suffix(".map.png"), answered.answer.array)
    return [path, path.with_suffix(".map.png")]


def save_picture(path: str | Path, picture: Image.Image) -> None:
    with write_whole(path) as temporary:
        picture.save(temporary, format="PNG")


def stretch(image: Numbers) -> npt.NDArray[np.float64]:
    """An image of unknown range to [0, 1], from its lowest to its highest value."""
    values = image.astype(np.float64)
    return np.asarray((values - values.min()) / max(float(values.max() - values.min()), 1e-12))


def save_sheet(path: str | Path, tiles: Sequence[tuple[Image.Image, str]], title: str, note: str) -> None:
    """Write pictures of one size, each with a caption beneath, as one PNG."""
    side, height = tiles[0][0].width + GAP, tiles[0][0].height + SHEET_CAPTION + GAP
    rows = -(-len(tiles) // SHEET_COLUMNS)
    width = 2 * MARGIN + SHEET_COLUMNS * side - GAP
    sheet = Image.new("RGB", (width, SHEET_HEADER + rows * height + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, 26), title, fill=INK, font=ImageFont.load_default(24))
    draw.text((MARGIN, 58), note, fill=FAINT, font=ImageFont.load_default(15))
    for number, (picture, caption) in enumerate(tiles):
        row, column = divmod(number, SHEET_COLUMNS)
        left, top = MARGIN + column * side, SHEET_HEADER + row * height
        sheet.paste(picture, (left, top))
        draw.text((left, top + picture.height + 4), caption, fill=INK, font=ImageFont.load_default(15))
    save_picture(path, sheet)


def _check_map(classes: Numbers) -> None:
    if classes.ndim != 2:
        raise ArchspecError(f"a class map with {classes.ndim} axes, {classes.shape}, cannot be drawn; only two can")
    if classes.max(initial=0) >= MOST_CLASSES:
        raise ArchspecError(f"a class map with more than {MOST_CLASSES} classes cannot be drawn")


def _as_colours(image: Numbers) -> npt.NDArray[np.uint8]:
    pixels = to_pixels(image)
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def _enlarge(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    factor = -(-LEAST_SIDE // max(pixels.shape[:2]))
    return Image.fromarray(pixels.repeat(factor, 0).repeat(factor, 1))


def _around(x: float, y: float, scale: int, radius: int) -> tuple[float, float, float, float]:
    x, y = (x + 0.5) * scale, (y + 0.5) * scale
    return x - radius, y - radius, x + radius, y + radius
