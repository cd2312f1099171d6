"""TIFF stacks are read page by page as they are stored, and broken ones refused."""

from __future__ import annotations

import random
import struct
import tracemalloc
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from archspec.errors import InputError
from runtime.data.volumes.tiff import read_tiff
from tests.support.phantoms import draw_phantom

PHANTOM = draw_phantom(dtype=np.uint16)


def write(path: Path, values: Any = PHANTOM, **given: Any) -> str:
    tifffile.imwrite(path / "stack.tif", values, **given)
    return str(path / "stack.tif")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"compression": "zlib"},
        {"compression": "zlib", "rowsperstrip": 2},
        {"tile": (16, 16)},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"metadata": {"axes": "TYX"}},
        {"imagej": True},
    ],
    ids=str,
)
def test_pages_are_depth(tmp_path: Path, given: dict[str, Any]) -> None:
    volume = read_tiff(write(tmp_path, photometric="minisblack", **given))
    np.testing.assert_array_equal(volume.values, PHANTOM[None])
    assert volume.values.dtype == np.uint16
    assert volume.space.spacing is None
    assert volume.space.affine is None


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_types_stay(tmp_path: Path, dtype: Any) -> None:
    values = read_tiff(write(tmp_path, PHANTOM.astype(dtype), photometric="minisblack")).values
    assert values.dtype == dtype
    np.testing.assert_array_equal(values[0], PHANTOM)


def test_channels(tmp_path: Path) -> None:
    several = draw_phantom((5, 2, 6, 7), np.uint16)
    found = read_tiff(write(tmp_path, several, imagej=True, metadata={"axes": "ZCYX"}))
    np.testing.assert_array_equal(found.values, several.transpose(1, 0, 2, 3))
    colours = draw_phantom((5, 6, 7, 3), np.uint16)
    found = read_tiff(write(tmp_path, colours, photometric="rgb"))
    np.testing.assert_array_equal(found.values, colours.transpose(3, 0, 1, 2))


def test_spacing_of_imagej_and_ome(tmp_path: Path) -> None:
    path = write(tmp_path, imagej=True, resolution=(2, 4), metadata={"spacing": 3.0, "axes": "ZYX"})
    assert read_tiff(path).space.spacing == (3.0, 0.25, 0.5)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2}
    path = write(tmp_path, ome=True, metadata={"axes": "ZYX", **sizes})
    assert read_tiff(path).space.spacing == (2.0, 0.25, 0.5)


def test_what_is_no_stack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is 6 Y by 7 X .* expected a stack of pages"):
        read_tiff(write(tmp_path, PHANTOM[0]))
    with pytest.raises(InputError, match=r"holds complex64"):
        read_tiff(write(tmp_path, PHANTOM.astype(np.complex64), photometric="minisblack"))
    with tifffile.TiffWriter(tmp_path / "two.tif") as file:
        file.write(PHANTOM, photometric="minisblack")
        file.write(PHANTOM[:2, :3], photometric="minisblack")
    with pytest.raises(InputError, match=r"holds 2 images \(5 by 6 by 7; 2 by 3 by 7\): expected one stack"):
        read_tiff(str(tmp_path / "two.tif"))
    (tmp_path / "text.tif").write_text("no picture")
    with pytest.raises(InputError, match=r"text.tif is a broken TIFF file: not a TIFF file"):
        read_tiff(str(tmp_path / "text.tif"))


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    path = Path(write(tmp_path, np.zeros((3, 64, 64), np.uint8), photometric="minisblack", compression="zlib"))
    with tifffile.TiffFile(path) as file:
        places = [file.pages.first.tags[name].valueoffset for name in ("StripByteCounts", "StripOffsets")]
    bomb = zlib.compress(bytes(1 << 26))
    content = bytearray(path.read_bytes())
    for place, value in zip(places, (len(bomb), len(content)), strict=True):
        struct.pack_into("<I", content, place, value)
    path.write_bytes(content + bomb)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"a part of it unpacks to more than 4.10 kB"):
        read_tiff(str(path))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 << 20


def test_whatever_is_broken_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wholes = [
        Path(write(tmp_path, photometric="minisblack", **given)).read_bytes() for given in ({}, {"compression": "zlib"})
    ]
    chance = random.Random(0)
    read = 0
    for _ in range(200):
        content = bytearray(chance.choice(wholes))
        for _ in range(chance.choice((1, 2, 4))):
            content[chance.randrange(min(len(content), 700))] = chance.choice((0, 1, 127, 255))
        if chance.random() < 0.2:
            del content[chance.randrange(8, len(content)) :]
        (tmp_path / "any.tif").write_bytes(content)
        with suppress(InputError):
            read_tiff(str(tmp_path / "any.tif"))
            read += 1
    assert 10 < read < 190
    assert capfd.readouterr() == ("", "")
