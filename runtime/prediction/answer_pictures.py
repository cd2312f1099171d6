"""A folder of pictures of answers: each drawn over its image, and a file that says what the colours mean."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archspec.arrays import Array, Float64Array
from archspec.errors import InputError
from archspec.extras import extra
from archspec.files import write_text
from archspec.replacing import KEY as OWN_KEY
from archspec.replacing import PNG, check_gives_way
from runtime.data.volumes.intensity import WHITE, find_windows, to_levels
from runtime.pictures.file import Ground, open_picture
from runtime.pictures.folder import KEY
from runtime.pictures.preprocess import Preprocess
from runtime.prediction.answered import Answered
from runtime.prediction.overlays import MAX_CLASSES, add_key, check_map, colour_of, draw_overlay
from runtime.prediction.png import save_picture
from runtime.prediction.slices import lay_slices
from runtime.prediction.volumes import VolumeImage
from runtime.tasks.class_map import UNANSWERED
from runtime.tasks.drawing import Areas, Drawing
from runtime.tasks.grid import OutputGrid
from runtime.tasks.task import Task

with extra("run"):
    from PIL import Image


NO_ANSWER = 255
"""The value, in the file of a map, of pixels that have no class; their colour is a gray."""

NUMBERED = re.compile(r"[0-9]+-.*\.png", re.DOTALL)
"""The names of the pictures in a folder."""


def check_folder(folder: Path) -> None:
    """Raises InputError unless pictures can be written there without taking the place of what others wrote: into a
    folder that is not there yet, is empty, or has the pictures of an earlier run."""
    names = _list_visible(folder)
    if names and not OWN_KEY.is_one(folder / KEY):
        raise InputError(f"{folder} holds other files: name a new folder for the pictures, or an empty one")
    for name in filter(NUMBERED.fullmatch, names):
        check_gives_way(folder / name, PNG)


def remove_drawn(folder: Path) -> int:
    """Remove the pictures that an earlier run drew into a folder, which another key does not explain, and no others.
    Gives their number. Raises InputError."""
    drawn = [folder / name for name in filter(NUMBERED.fullmatch, _list_visible(folder)) if PNG.is_one(folder / name)]
    try:
        for path in drawn:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot remove {path}: {error.strerror}") from error
    return len(drawn)


def save_key(folder: str | Path, task: Task, names: Sequence[str]) -> None:
    """Write `key.json`, which says for each class or joint its number and its colour in the pictures beside it."""
    rows = [
        {"index": number, task.channel: name, "colour": "#" + bytes(colour_of(number + task.first_colour)).hex()}
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
        raise InputError(f"cannot write pictures into {folder}: {error.strerror}") from error


def save_answer(
    folder: str | Path, name: str, answered: Answered, preprocess: Preprocess | None, ground: Ground | None = None
) -> list[Path]:
    """Write `NAME.png`, the answer over the image in its own pixels with a key beneath, and for a map
    `NAME.map.png` as well, of the image's own size, in which a pixel's value is the number of its class. Gives the
    files.

    Of a .npy without preprocessing nobody knows what is white, and the image is stretched. Raises InputError for
    labels, which have no picture, and for images of other than one or three channels. Of a volume three planes through
    its middle are drawn, and no map.
    """
    path, drawing = Path(folder) / f"{name}.png", answered.answer.draw()
    if drawing is None:
        raise InputError("a label has no picture; pictures are drawn of maps and joints")
    if isinstance(answered.input, VolumeImage):
        assert preprocess is not None
        return [_save_slices(path, answered.input, drawing, preprocess)]
    image = _show(answered, preprocess, ground)
    save_picture(path, add_key(draw_overlay(image, drawing.overlay), drawing.legend))
    if not isinstance(drawing.overlay, Areas):
        return [path]
    save_map(path.with_suffix(".map.png"), drawing.overlay.classes)
    return [path, path.with_suffix(".map.png")]


def _save_slices(path: Path, image: VolumeImage, drawing: Drawing, preprocess: Preprocess) -> Path:
    """Three planes through the middle of a volume, of its first channel where it has other than one or three."""
    assert isinstance(drawing.overlay, Areas)
    values = image.volume.values
    shown = slice(None) if len(values) in (1, 3) else slice(1)
    windows = find_windows(values, preprocess)[shown]
    laid = lay_slices(image.volume.space.orientation.from_file(drawing.overlay.classes))
    areas = Areas(laid, OutputGrid(laid.shape, laid.shape))
    levels = to_levels(lay_slices(values[shown])[:, None], windows)[:, 0]
    save_picture(path, add_key(draw_overlay(levels / WHITE, areas), drawing.legend))
    return path


def save_map(path: str | Path, classes: Array) -> None:
    """Write a class map (height, width) as a PNG with a palette: the value of a pixel is the number of its class, or
    NO_ANSWER.

    Raises InputError for volumes, and for more classes than a palette has colours.
    """
    check_map(classes)
    height, width = classes.shape
    values = np.where(classes == UNANSWERED, NO_ANSWER, classes).astype(np.uint8)
    picture = Image.frombytes("P", (width, height), values.tobytes())
    colours = [colour_of(number) for number in range(MAX_CLASSES)]
    if (classes == UNANSWERED).any():
        colours[NO_ANSWER] = (128, 128, 128)
    picture.putpalette([value for colour in colours for value in colour])
    save_picture(path, picture)


def stretch(image: Array) -> Float64Array:
    """Stretch an image of unknown range to [0, 1], from its lowest to its highest value."""
    values = image.astype(np.float64)
    return np.asarray((values - values.min()) / max(float(values.max() - values.min()), 1e-12))


def _show(answered: Answered, preprocess: Preprocess | None, ground: Ground | None) -> Array:
    """An image in its own pixels, in [0, 1]."""
    given = answered.input
    if given.reading is None:
        return preprocess.restore(given.image) if preprocess else stretch(given.image)
    picture = open_picture(given.path)
    if picture.size != given.frame.own:
        raise InputError(f"{given.path} has changed since it was read")
    return picture.paint(3, ground)
