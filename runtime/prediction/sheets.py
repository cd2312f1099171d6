"""Sheets of held-out images: what the network saw, what it said, and where it was wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.extras import extra
from runtime.prediction.overlays import draw_overlay
from runtime.prediction.png import FAINT, GAP, INK, LINE, MARGIN, PAPER, save_picture, to_pixels
from runtime.tasks.drawing import LabelSheet, OverlaySheet, Sheet

with extra("run"):
    from PIL import Image, ImageDraw, ImageFont


HEADER = 92
"""The number of pixels above the images of a sheet, for its title and a note."""

MAX_LABELLED = 40
"""The largest number of images on a sheet of labels."""

COLUMNS, FEWEST_COLUMNS = 10, 6
TILE, CAPTION, ARROW = 88, 28, 22
RIGHT, WRONG = "#2a6f4d", "#c22a2a"

MARK_COLUMNS, MARK_CAPTION = 4, 26


def save_sheet(path: str | Path, images: Array, sheet: Sheet, title: str) -> None:
    """Write a PNG of some of the images, (N, C, H, W) in [0, 1], with what a task says of them.

    Raises InputError where a sheet of labels is not of as many images, or a file is there that somebody else drew.
    """
    picture = _draw_labels(images, sheet, title) if isinstance(sheet, LabelSheet) else draw_tiles(images, sheet, title)
    save_picture(path, picture, optimize=isinstance(sheet, LabelSheet))


def _draw_labels(images: Array, sheet: LabelSheet, title: str) -> Image.Image:
    """Draw the sheet. All N count for the accuracy in the title line. The wrong ones come first, in red, as `true →
    predicted`; below them right ones, spread evenly over the classes."""
    labels, predictions = sheet.true, sheet.predicted
    if not len(images) or not len(images) == len(labels) == len(predictions):
        raise InputError(f"cannot draw {len(images)} images, {len(labels)} labels, {len(predictions)} predictions")
    rows = arrange_images(labels, predictions, MAX_LABELLED)
    width = 2 * MARGIN + max(FEWEST_COLUMNS, *map(len, rows)) * (TILE + GAP) - GAP
    picture = Image.new("RGB", (width, HEADER + len(rows) * (TILE + CAPTION + GAP) + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    _draw_score(draw, labels, predictions, title)
    for row, chosen in enumerate(rows):
        for column, index in enumerate(chosen):
            corner = (MARGIN + column * (TILE + GAP), HEADER + row * (TILE + CAPTION + GAP))
            picture.paste(_enlarge(images[index]), corner)
            _draw_caption(draw, corner, labels[index], predictions[index])
    return picture


def draw_tiles(images: Array, sheet: OverlaySheet, title: str) -> Image.Image:
    """Draw images (N, C, H, W) in [0, 1] with overlays, of one size, each with its caption beneath."""
    tiles = [draw_overlay(images[tile.image], tile.overlay) for tile in sheet.tiles]
    side, height = tiles[0].width + GAP, tiles[0].height + MARK_CAPTION + GAP
    rows = -(-len(tiles) // MARK_COLUMNS)
    width = 2 * MARGIN + MARK_COLUMNS * side - GAP
    picture = Image.new("RGB", (width, HEADER + rows * height + MARGIN - GAP), PAPER)
    draw = ImageDraw.Draw(picture)
    _draw_header(draw, title, sheet.note)
    for number, (tile, (_, _, caption)) in enumerate(zip(tiles, sheet.tiles, strict=True)):
        row, column = divmod(number, MARK_COLUMNS)
        left, top = MARGIN + column * side, HEADER + row * height
        picture.paste(tile, (left, top))
        draw.text((left, top + tile.height + 4), caption, fill=INK, font=ImageFont.load_default(15))
    return picture


def arrange_images(labels: Sequence[str], predictions: Sequence[str], count: int) -> list[list[int]]:
    """Arrange indices in rows: every wrong one; then, on their own rows, right ones: a first of each class, a second,
    ..."""
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


def _enlarge(image: Array) -> Image.Image:
    """A tile of hard-edged pixels: small digits as they are, not blurred."""
    return Image.fromarray(to_pixels(image)).convert("RGB").resize((TILE, TILE), Image.Resampling.NEAREST)


def _draw_score(draw: ImageDraw.ImageDraw, labels: Sequence[str], predictions: Sequence[str], title: str) -> None:
    wrong = sum(label != found for label, found in zip(labels, predictions, strict=True))
    accuracy = f"{len(labels) - wrong:,} of {len(labels):,} right ({1 - wrong / len(labels):.2%})"
    note = f"{wrong:,} wrong, in red: the true label and what was predicted" if wrong else "none wrong"
    _draw_header(draw, f"{title}: {accuracy}" if title else accuracy, note)


def _draw_header(draw: ImageDraw.ImageDraw, title: str, note: str) -> None:
    draw.text((MARGIN, 26), title, fill=INK, font=ImageFont.load_default(24))
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
    """Draw an arrow, which Pillow's own font has not."""
    right = left + ARROW - 8
    draw.line((left, height, right - 4, height), fill=WRONG, width=2)
    draw.polygon(((right, height), (right - 6, height - 4), (right - 6, height + 4)), fill=WRONG)


def _shorten(draw: ImageDraw.ImageDraw, text: str, font: Any, room: float) -> str:
    """Keep as much of a long class name as fits in that many pixels."""
    if draw.textlength(text, font=font) <= room:
        return text
    while text and draw.textlength(text + "…", font=font) > room:
        text = text[:-1]
    return text + "…"
