"""What a mask's numbers and colours stand for: found in all masks, or said by a table."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.errors import InputError
from runtime.data.mask_values import (
    COLOUR,
    MaskScan,
    MaskValues,
    choose_values,
    count_values,
    describe_value,
    pack_values,
    parse_value,
    scan_masks,
)
from tests.support.folders import draw_pixels, save_pixels
from tests.support.pngs import write_png

RED, BLUE = COLOUR | 0xFF0000, COLOUR | 0x0000FF


def scan_of(*values: int) -> MaskScan:
    return MaskScan(Counter(dict.fromkeys(values, 1)))


def test_numbers_are_classes_and_255_is_not_asked() -> None:
    values, classes = choose_values(scan_of(0, 1, 3, 255), None, (), "data")
    assert classes == ("0", "1", "2", "3")
    mask = np.array([[0, 1], [3, 255]], np.uint8)
    assert values.decode(mask, "m.png").tolist() == [[0, 1], [3, 255]]
    assert values.decode(mask, "m.png").dtype == np.uint8


@pytest.mark.parametrize("names", [None, ["no", "yes"]])
def test_0_and_255_alone_are_two_classes(names: list[str] | None) -> None:
    values, classes = choose_values(scan_of(0, 255), names, (), "data")
    assert classes == tuple(names or ("background", "foreground"))
    assert values.decode(np.array([[0, 255]], np.uint8), "m.png").tolist() == [[0, 1]]


def test_0_1_and_255_are_two_classes_and_what_is_not_asked() -> None:
    values, classes = choose_values(scan_of(0, 1, 255), None, (), "data")
    assert len(classes) == 2
    assert values.decode(np.array([[0, 1, 255]], np.uint8), "m.png").tolist() == [[0, 1, 255]]


def test_a_table_says_the_order() -> None:
    table = {RED: "red", 0: "black", BLUE: "blue"}
    values, classes = choose_values(scan_of(0, RED), table, [COLOUR | 0x010203], "data")
    assert classes == ("red", "black", "blue")
    mask = np.array([[[0, 0, 0], [255, 0, 0], [0, 0, 255], [1, 2, 3]]], np.uint8)
    assert values.decode(mask, "m.png").tolist() == [[1, 0, 2, 255]]
    with pytest.raises(
        InputError, match=r"m\.png has 2 pixels of '#010204', '#020304', which stand for no class: known"
    ):
        values.decode(np.array([[[1, 2, 4], [2, 3, 4], [0, 0, 0]]], np.uint8), "m.png")


def test_what_ignore_says_comes_before_what_255_may_mean() -> None:
    """255 beside 0 is a class, unless it is said that it is none."""
    values, classes = choose_values(scan_of(0, 1, 255), None, (255,), "data")
    assert classes == ("0", "1")
    values, classes = choose_values(scan_of(0, 255), None, (255,), "data")
    assert classes == ("0",)
    assert values.decode(np.array([[0, 255]], np.uint8), "m.png").tolist() == [[0, 255]]


def test_values_without_a_class_and_classes_without_a_pixel() -> None:
    scan = scan_of(0, 7, 9)
    scan.first[7] = Path("m.png")
    values, names = choose_values(scan, {0: "ground", 9: "cell", 4: "wall"}, (), "data")
    assert values.list_unknown(scan) == ["m.png has pixels of 7, which stand for no class"]
    assert values.list_unseen(scan, names) == ["wall"]


def test_a_number_beyond_those_that_were_found_is_refused() -> None:
    values, _ = choose_values(scan_of(0, 1), None, (), "data")
    with pytest.raises(InputError, match=r"m\.png has 1 pixel of 7, which stand for no class: known are 0, 1, 255"):
        values.decode(np.array([[0, 7]], np.uint8), "m.png")


@pytest.mark.parametrize(
    ("scan", "table", "message"),
    [
        (scan_of(0, RED), None, r"the masks of data have 2 colours: say in its data.yaml .* name1: '#ff0000'"),
        (scan_of(0, RED), ["a", "b"], "the masks of data have 2 colours"),
        (scan_of(255), ["a"], "the masks of data ask for no class: all their pixels are 255"),
        (scan_of(), None, "ask for no class"),
        (scan_of(0, 1, 5), ["a", "b", "c"], "have the number 5, and 3 classes are named: say in data.yaml"),
        (scan_of(0, 300), None, "have the number 300, and a map has up to 255 classes"),
        (scan_of(0, 64, 128), None, "have the numbers 0, 64, 128, with gaps between them: say in data.yaml"),
    ],
)
def test_what_cannot_be_told_is_asked(scan: MaskScan, table: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_values(scan, table, (), "data")


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=9, unique=True))
def test_colours_find_their_places_in_a_table(colours: list[tuple[int, int, int]]) -> None:
    pixels = np.array(colours, np.uint8)[None]
    packed = pack_values(pixels)[0].tolist()
    values = MaskValues(tuple((value, number) for number, value in enumerate(packed)))
    assert values.decode(pixels, "m.png").tolist() == [list(range(len(colours)))]
    assert [parse_value(describe_value(value).strip("'")) if value >= COLOUR else value for value in packed] == packed


def test_values_are_read() -> None:
    assert [parse_value(text) for text in (7, 65535, "#ff0000", "#070707", "#0000FF")] == [7, 65535, RED, 7, BLUE]
    for text in (-1, 65536, "red", "#ff", "#gggggg", "", "#ff00000", True):
        with pytest.raises(InputError, match="a value of a mask is a number up to 65535, or a colour"):
            parse_value(text)


def test_masks_are_counted_and_broken_ones_told(tmp_path: Path) -> None:
    masks = [draw_pixels((5, 7), seed, 3) for seed in range(3)]
    paths = [save_pixels(tmp_path / f"{number}.png", mask) for number, mask in enumerate(masks)]
    deep = np.full((2, 2, 1), 300)
    paths += [write_png(tmp_path / "deep.png", deep, 16), save_pixels(tmp_path / "red.png", draw_pixels((1, 1, 3)))]
    steps: list[tuple[int, int]] = []
    scan = scan_masks([*paths, tmp_path / "gone.png"], lambda done, of: steps.append((done, of)))
    witness = Counter(np.concatenate([mask.ravel() for mask in masks]).tolist()) + Counter({300: 4})
    assert scan.counts - Counter({scan.colours[0]: 1}) == witness
    assert scan.bad == [f"{tmp_path / 'gone.png'} does not exist"]
    assert steps == [(done, 6) for done in range(1, 7)]


def test_shades_are_no_classes(tmp_path: Path) -> None:
    path = save_pixels(tmp_path / "photo.png", draw_pixels((64, 64, 3)))
    with pytest.raises(
        InputError, match=r"photo\.png and the masks before it have more than 511 values: a mask has one"
    ):
        scan_masks([path])
    assert sum(count_values(draw_pixels((64, 64, 3))).values()) == 64 * 64
