"""A PNG whose stream ends too early is broken, wherever it ends; Pillow would show black."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import ArchspecError
from runtime.pictures.file import open_picture
from tests.support.pngs import write_png


def cut_lines(path: Path, kept: int) -> int:
    """Write so many bytes of the lines again, as two whole chunks of a whole stream; how many there were."""
    content = path.read_bytes()
    start = content.index(b"IDAT")
    (size,) = struct.unpack(">I", content[start - 4 : start])
    lines = zlib.decompress(content[start + 4 : start + 4 + size])
    packed = zlib.compress(lines[:kept])
    chunks = [
        struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
        for body in (packed[: len(packed) // 2], packed[len(packed) // 2 :])
    ]
    path.write_bytes(content[: start - 4] + b"".join(chunks) + content[start + 8 + size :])
    return len(lines)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("depth", [1, 4, 8, 16])
@pytest.mark.parametrize("size", [(5, 7), (1, 9), (9, 1), (1, 1), (3, 3)], ids=str)
@pytest.mark.parametrize("value", [0, 1])
def test_missing_rows_are_noticed(
    size: tuple[int, int], depth: int, interlaced: bool, value: int, tmp_path: Path
) -> None:
    """A black picture that is whole is none with missing rows."""
    path, pixels = tmp_path / "a.png", np.full((*size, 1), value * ((1 << depth) - 1))
    write_png(path, pixels, depth, interlaced=interlaced)
    total = cut_lines(path, 1 << 20)
    assert np.array_equal(np.asarray(open_picture(path).bands) > 0, pixels > 0)
    for kept in range(total):
        write_png(path, pixels, depth, interlaced=interlaced)
        cut_lines(path, kept)
        with pytest.raises(ArchspecError, match="is a broken picture"):
            open_picture(path)


def test_pillow_shows_black(tmp_path: Path) -> None:
    """The control: why it is looked at here."""
    write_png(tmp_path / "a.png", np.full((4, 3, 1), 200))
    cut_lines(tmp_path / "a.png", 8)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image).tolist() == [[200] * 3] * 2 + [[0] * 3] * 2


def test_what_is_unpacked_is_bounded(tmp_path: Path) -> None:
    """Behind the last row anything may follow."""
    write_png(tmp_path / "a.png", np.zeros((4, 3, 1), int))
    content = (tmp_path / "a.png").read_bytes()
    body = zlib.compress(bytes(1 << 24))
    chunk = struct.pack(">I", len(body)) + b"IDAT" + body + struct.pack(">I", zlib.crc32(b"IDAT" + body))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[-12:])
    assert open_picture(tmp_path / "a.png").bands.shape == (4, 3, 1)
