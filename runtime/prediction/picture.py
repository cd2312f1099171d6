"""A picture of predictions: what the network saw, what it said, and where it was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.files import write_whole
from archspec.replacing import PNG, check_gives_way

with extra("run"):
    from PIL import Image, ImageDraw, ImageFont
    from PIL.PngImagePlugin import PngInfo

Numbers = npt.NDArray[Any]

COLUMNS, LEAST_COLUMNS = 10, 6
TILE, GAP, CAPTION, MARGIN, HEADER = 88, 14, 28, 36, 92
ARROW = 22
PAPER, INK, FAINT, LINE = "#fcfcfb", "#1d2429", "#6d777f", "#dde1e4"
RIGHT, WRONG = "#2a6f4d", "#c22a2a"


def draw_predictions(
    images: Numbers,
    labels: Sequence[str],
    predictions: Sequence[str],
    path: str | Path,
    count: int = 40,
    title: str = "",
) -> None:
    """Write a PNG of about `count` images, (N, C, H, W) in [0, 1], with the predicted label beneath each.

    All N count for the accuracy in the title line. The wrong ones come first, in red, as `true → predicted`; below them
    right ones, spread evenly over the classes. Raises ArchspecError where the three differ in length or are empty.
    """
    if not len(images) or not len(images) == len(labels) == len(predictions):
        raise ArchspecError(f"cannot draw {len(images)} images, {len(labels)} labels, {len(predictions)} predictions")
    rows = arrange_images(labels, predictions, count)
    width = 2 * MARGIN + max(LEAST_COLUMNS, *map(len, rows)) * (TILE + GAP) - GAP
    sheet = Image.new("RGB", (width, HEADER + len(rows) * (TILE + CAPTION + GAP) + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_header(draw, labels, predictions, title)
    for row, chosen in enumerate(rows):
        for column, index in enumerate(chosen):
            corner = (MARGIN + column * (TILE + GAP), HEADER + row * (TILE + CAPTION + GAP))
            sheet.paste(_enlarge(images[index]), corner)
            _draw_caption(draw, corner, labels[index], predictions[index])
    save_picture(path, sheet, optimize=True)


def arrange_images(labels: Sequence[str], predictions: Sequence[str], count: int) -> list[list[int]]:
    """Rows of indices: every wrong one; then, on their own rows, right ones: a first of each class, a second, ..."""
    wrong = [index for index, label in enumerate(labels) if predictions[index] != label][:count]
    seen: Counter[str] = Counter()
    right = []
    for index, label in enumerate(labels):
        if predictions[index] == label:
            seen[label] += 1
            right.append((seen[label], label, index))
    room = count - len(wrong)
    # whole rows, where there is one: a class then stands below itself in data sets of ten
    spread = [index for _, _, index in sorted(right)][: room // COLUMNS * COLUMNS or room]
    return [part[start : start + COLUMNS] for part in (wrong, spread) for start in range(0, len(part), COLUMNS)]


def save_picture(path: str | Path, picture: Image.Image, *, optimize: bool = False) -> None:
    """Write a PNG that says who drew it. Raises ArchspecError where a file is there that somebody else drew."""
    check_gives_way(path, PNG)
    mark = PngInfo()
    mark.add_text("Software", "archspec")
    with write_whole(path) as temporary:
        picture.save(temporary, format="PNG", optimize=optimize, pnginfo=mark)


def to_pixels(image: Numbers) -> npt.NDArray[np.uint8]:
    """(C, H, W) in [0, 1] to 8-bit pixels, (H, W) for one channel and (H, W, 3) for three."""
    if len(image) not in (1, 3):
        raise ArchspecError(f"cannot draw an image of {len(image)} channels")
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    return pixels[0] if len(image) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))


def _enlarge(image: Numbers) -> Image.Image:
    """A tile of hard-edged pixels: small digits as they are, not blurred."""
    return Image.fromarray(to_pixels(image)).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)


def _draw_header(draw: ImageDraw.ImageDraw, labels: Sequence[str], predictions: Sequence[str], title: str) -> None:
    wrong = sum(label != found for label, found in zip(labels, predictions, strict=True))
    accuracy = f"{len(labels) - wrong:,} of {len(labels):,} right ({1 - wrong / len(labels):.2%})"
    draw.text((MARGIN, 26), f"{title}: {accuracy}" if title else accuracy, fill=INK, font=ImageFont.load_default(24))
    note = f"{wrong:,} wrong, in red: the true label and what was predicted" if wrong else "none wrong"
    draw.text((MARGIN, 58), note, fill=FAINT, font=ImageFont.load_default(15))


def _draw_caption(draw: ImageDraw.ImageDraw, corner: tuple[int, int], label: str, found: str) -> None:
    left, top = corner
    font = ImageFont.load_default(17)
    middle, height = left + TILE / 2, top + TILE + CAPTION / 2 + 3
    if label == found:
        draw.rectangle((left - 1, top - 1, left + TILE, top + TILE), outline=LINE)
        draw.text((middle, height), _shorten(draw, found, font, TILE), fill=RIGHT, font=font, anchor="mm")
        return
    draw.rectangle((left - 4, top - 4, left + TILE + 3, top + TILE + 3), outline=WRONG, width=3)
    texts = [_shorten(draw, text, font, (TILE - ARROW) / 2) for text in (label, found)]
    widths = [draw.textlength(text, font=font) for text in texts]
    start = middle - (sum(widths) + ARROW) / 2
    draw.text((start, height), texts[0], fill=WRONG, font=font, anchor="lm")
    draw.text((start + widths[0] + ARROW, height), texts[1], fill=WRONG, font=font, anchor="lm")
    _draw_arrow(draw, round(start + widths[0]) + 4, round(height))


def _draw_arrow(draw: ImageDraw.ImageDraw, left: int, height: int) -> None:
    """Pillow's own font has none."""
    right = left + ARROW - 8
    draw.line((left, height, right - 4, height), fill=WRONG, width=2)
    draw.polygon(((right, height), (right - 6, height - 4), (right - 6, height + 4)), fill=WRONG)


def _shorten(draw: ImageDraw.ImageDraw, text: str, font: Any, room: float) -> str:
    """As much of a long class name as fits in that many pixels."""
    if draw.textlength(text, font=font) <= room:
        return text
    while text and draw.textlength(text + "…", font=font) > room:
        text = text[:-1]
    return text + "…"
