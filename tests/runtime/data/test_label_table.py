"""A table that names the class of each picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.label_table import LAYOUT, recognize
from runtime.data.listing import list_data
from runtime.data.opening import open_data
from tests.support.folders import draw_pixels, save_pixels


def write(folder: Path, text: str, names: str = "abcd") -> Path:
    for number, name in enumerate(names):
        save_pixels(folder / "images" / f"{name}.png", draw_pixels((4, 5), number))
    (folder / "labels.csv").write_text(text, encoding="utf-8")
    return folder


def test_labels_are_those_of_the_rows(tmp_path: Path) -> None:
    write(tmp_path, "file,class,split\nb.png,dog,train\na.png,cat,train\nimages/d.png,dog,test\n")
    listing = list_data(tmp_path)
    assert recognize(listing)
    source = LAYOUT.read(listing, "data")
    assert list(source.names) == ["images/a.png", "images/b.png", "images/d.png"]
    assert (source.classes, source.strata, source.parts) == (("cat", "dog"), [0, 1, 1], ["train", "train", "test"])
    assert np.array_equal(source.samples[0][0][0], draw_pixels((4, 5), 0))
    assert len(open_data(tmp_path).test) == 1


def test_numbers_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    write(tmp_path, "image,label\na.png,10\nb.png,9\nc.png,10\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert (source.classes, source.strata) == (("9", "10"), [1, 0, 1])
    (tmp_path / "data.yaml").write_text("classes: ['10', '9', '8']\n")
    source = LAYOUT.read(list_data(tmp_path), "data")
    assert (source.classes, source.strata) == (("10", "9", "8"), [0, 1, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,label\na.png,x\nimages/a.png,y", r"labels\.csv:3: images/a\.png is named a second time"),
        ("image,label\na.png,", r"labels\.csv:2: images/a\.png has no class"),
        ("image,label\nz.png,x", r"labels\.csv:2: `image` is 'z\.png', and .* has no such file"),
        ("image,label\na.png", r"labels\.csv:2: this row has 1 cells, and the header 2"),
    ],
)
def test_mistakes_have_lines(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LAYOUT.read(list_data(write(tmp_path, text)), "data")


def test_one_table_is_meant(tmp_path: Path) -> None:
    write(tmp_path, "image,label\na.png,x\n")
    (tmp_path / "more.csv").write_text("image,label\nb.png,y\n")
    with pytest.raises(InputError, match=r"has 2 tables with the columns image and label: name one in data\.yaml"):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "data.yaml").write_text("table: more.csv\n")
    assert LAYOUT.read(list_data(tmp_path), "data").classes == ("y",)
    (tmp_path / "data.yaml").write_text("table: more.csv\nclasses: [z]\n")
    with pytest.raises(InputError, match=r"more\.csv:2: 'y' is no class of data\.yaml"):
        LAYOUT.read(list_data(tmp_path), "data")
    (tmp_path / "more.csv").write_text("file,mask\nb.png,c.png\n")
    with pytest.raises(InputError, match="has no tables with the columns image and label"):
        LAYOUT.read(list_data(tmp_path), "data")
