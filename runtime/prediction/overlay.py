"""Class maps and joints drawn over the images that they answer for."""

from __future__ import annotations

import colorsys
import json
import re
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from archspec.files import write_text
from archspec.replacing import KEY as OWN_KEY
from archspec.replacing import PNG, check_gives_way
from archspec.wording import cut_middle
from runtime.pictures.file import Ground, open_picture
from runtime.pictures.folder import KEY
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.picture import FAINT, GAP, INK, LINE, MARGIN, PAPER, save_picture, to_pixels
from runtime.prediction.predict import Answered
from runtime.tasks.answers import ClassMap, Pose
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.grid import Grid
from runtime.tasks.task import Task

with extra("run"):
    from PIL import Image, ImageDraw, ImageFont

Numbers = npt.NDArray[Any]

LEAST_SIDE = 256
"""Pixels along the longer side of a drawn image; a smaller one is enlarged by a whole number, without blur."""

STRENGTH = 0.6
"""Of a class's colour over the image."""

GOLDEN = 0.618034
MOST_CLASSES = 256

NO_ANSWER = 255
"""The value, in the file of a map, of pixels that have no class; their colour is a gray."""

NUMBERED = re.compile(r"[0-9]+-.*\.png", re.DOTALL)
"""How the pictures in a folder are called."""

KEY_LINE, KEY_SWATCH, KEY_MOST = 24, 14, 40
SHEET_HEADER, SHEET_CAPTION, SHEET_COLUMNS = 92, 26, 4


def colour_of(number: int) -> tuple[int, int, int]:
    """A colour for each class but 0, which is black: hues a golden section apart, so that neighbours differ."""
    if number == 0:
        return 0, 0, 0
    red, green, blue = colorsys.hsv_to_rgb((number - 1) * GOLDEN % 1, 0.85 if number % 2 else 0.6, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def save_map(path: str | Path, classes: Numbers) -> None:
    """Write a class map (height, width) as a PNG with a palette: the value of a pixel is the number of its class, or
    NO_ANSWER.

    Raises ArchspecError for volumes, and for more classes than a palette has colours.
    """
    _check_map(classes)
    height, width = classes.shape
    values = np.where(classes == UNANSWERED, NO_ANSWER, classes).astype(np.uint8)
    picture = Image.frombytes("P", (width, height), values.tobytes())
    colours = [colour_of(number) for number in range(MOST_CLASSES)]
    if (classes == UNANSWERED).any():
        colours[NO_ANSWER] = (128, 128, 128)
    picture.putpalette([value for colour in colours for value in colour])
    save_picture(path, picture)


def check_folder(folder: Path) -> None:
    """Raises ArchspecError unless pictures can be written there without taking the place of what others wrote: into a
    folder that is not there yet, is empty, or has the pictures of an earlier run."""
    names = _list_visible(folder)
    if names and not OWN_KEY.is_one(folder / KEY):
        raise ArchspecError(f"{folder} holds other files: name a new folder for the pictures, or an empty one")
    for name in filter(NUMBERED.fullmatch, names):
        check_gives_way(folder / name, PNG)


def remove_drawn(folder: Path) -> int:
    """Remove the pictures that an earlier run drew into a folder, which another key does not explain, and no others.
    Gives their number. Raises ArchspecError."""
    drawn = [folder / name for name in filter(NUMBERED.fullmatch, _list_visible(folder)) if PNG.is_one(folder / name)]
    try:
        for path in drawn:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise ArchspecError(f"cannot remove {path}: {error.strerror}") from error
    return len(drawn)


def save_key(folder: str | Path, task: Task, names: Sequence[str]) -> None:
    """Write `key.json`, which says for each class or joint its number and its colour in the pictures beside it."""
    first = 1 if task.channel == "joint" else 0
    rows = [
        {"index": number, task.channel: name, "colour": "#" + bytes(colour_of(number + first)).hex()}
        for number, name in enumerate(names)
    ]
    check_gives_way(Path(folder) / KEY, OWN_KEY)
    write_text(Path(folder) / KEY, json.dumps({"drawn by": "archspec run --pictures", "key": rows}, indent=2) + "\n")


def _list_visible(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArchspecError(f"cannot write pictures into {folder}: {error.strerror}") from error


def paint_map(image: Numbers, classes: Numbers, grid: Grid) -> Image.Image:
    """An image (C, H, W) in [0, 1], enlarged, with the colour of each position's class over it; class 0 leaves it as it
    is, and so do places that the map does not reach."""
    _check_map(classes)
    pixels = _as_colours(image).astype(np.float32)
    colours = np.array([colour_of(number) for number in range(MOST_CLASSES)], np.float32)
    places = [
        (np.arange(side) - offset) // grid.stride for side, offset in zip(pixels.shape[:2], grid.offsets, strict=True)
    ]
    rows, columns = (np.clip(at, 0, extent - 1) for at, extent in zip(places, grid.extents, strict=True))
    reached = (rows == places[0])[:, None] & (columns == places[1])
    large = np.where(reached, classes[np.ix_(rows, columns)], 0)
    strength = np.float32(STRENGTH) * (large > 0)[..., None]
    return _enlarge(np.rint((1 - strength) * pixels + strength * colours[large]).astype(np.uint8))


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


def save_answer(
    folder: str | Path, name: str, answered: Answered, preprocess: Preprocess | None, ground: Ground | None = None
) -> list[Path]:
    """Write `NAME.png`, a map or joints over the image in its own pixels with a key beneath, and for a map
    `NAME.map.png` as well, of the image's own size, in which a pixel's value is the number of its class. Gives the
    files.

    Of a .npy without preprocessing nobody knows what is white, and the image is stretched. Raises ArchspecError for
    labels, which have no picture, for volumes, and for images of other than one or three channels.
    """
    answer, path = answered.answer, Path(folder) / f"{name}.png"
    if not isinstance(answer, Pose | ClassMap):
        raise ArchspecError("a label has no picture; pictures are drawn of maps and joints")
    image = _show(answered, preprocess, ground)
    if isinstance(answer, Pose):
        named = [(colour_of(number), joint.name) for number, joint in enumerate(answer.joints, 1)]
        save_picture(path, add_key(mark_joints(image, answer.array), named))
        return [path]
    extents = answer.array.shape
    painted = paint_map(image, answer.array, Grid(extents, extents))
    named = [(colour_of(number), name) for number, name, _ in answer.shares]
    save_picture(path, add_key(painted, named))
    save_map(path.with_suffix(".map.png"), answer.array)
    return [path, path.with_suffix(".map.png")]


def add_key(picture: Image.Image, named: Sequence[tuple[tuple[int, int, int], str]]) -> Image.Image:
    """The picture, and beneath it a swatch and a name for each colour, as many as there is room for in a few lines."""
    font = ImageFont.load_default(15)
    draw = ImageDraw.Draw(picture)
    entries = [(colour, cut_middle(name, 40)) for colour, name in named[:KEY_MOST]]
    width = max(picture.width, LEAST_SIDE)
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


def _show(answered: Answered, preprocess: Preprocess | None, ground: Ground | None) -> Numbers:
    """An image in its own pixels, in [0, 1]."""
    given = answered.input
    if given.reading is None:
        return preprocess.restore(given.image) if preprocess else stretch(given.image)
    picture = open_picture(given.path)
    if picture.size != given.frame.own:
        raise InputError(f"{given.path} has changed since it was read")
    return picture.paint(3, picture.size, ground)


def _check_map(classes: Numbers) -> None:
    if classes.ndim != 2:
        raise ArchspecError(f"a class map with {classes.ndim} axes, {classes.shape}, cannot be drawn; only two can")
    if classes.max(initial=0) + (classes == UNANSWERED).any() >= MOST_CLASSES:
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
