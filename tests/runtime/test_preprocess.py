"""Pictures become the arrays that a network was trained on; anything else is refused by name."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from archspec.errors import ArchspecError
from runtime.preprocess import Preprocess, load_array, load_image, load_images

GRAY = Preprocess(1, 4, 6, (0.25,), (0.5,))
COLOR = Preprocess(3, 4, 6, (0.1, 0.2, 0.3), (1.0, 0.5, 2.0))


def save_picture(path: Path, shape: tuple[int, ...] = (16, 18), seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def test_json_round_trip() -> None:
    assert Preprocess.from_json(COLOR.to_json()) == COLOR
    assert json.loads(GRAY.to_json()) == {"channels": 1, "height": 4, "width": 6, "mean": [0.25], "std": [0.5]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chanels": 1}, "unknown key 'chanels'; did you mean 'channels'"),
        ({"std": None}, "'std' must be a list"),
        ({"height": 0}, "'height' must be between 1 and"),
        ({"height": True}, "'height' must be an integer, found true"),
        ({"width": 4.0}, "'width' must be an integer, found a number"),
        ({"mean": [0.1, 0.2]}, "'mean' needs 1 values, found 2"),
        ({"mean": ["0"]}, "'mean' must be a number, found a string"),
        ({"std": [0]}, "'std' must be positive"),
        ({"std": [-1.0]}, "'std' must be positive"),
        ({"mean": [10**400]}, "'mean' must be finite"),
    ],
)
def test_malformed_preprocessing_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        Preprocess.from_json(json.dumps(json.loads(GRAY.to_json()) | change))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object, found a list"),
        ("{}", "lacks the key 'channels'"),
        ('{"mean": [NaN]}', "NaN is no JSON number"),
        ('{"mean": [1e999], "channels": 1, "height": 1, "width": 1, "std": [1]}', "must be finite"),
        ('{"mean": 1, "mean": 2}', "'mean' stands twice"),
        ("[" * 100_000, "nested too deeply|not valid JSON"),
        ("1" * 5000, "not valid JSON"),
    ],
)
def test_malformed_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        Preprocess.from_json(text)


def test_a_picture_of_the_right_size_is_only_scaled_and_normalized(tmp_path: Path) -> None:
    pixels = save_picture(tmp_path / "a.png", (4, 6, 3))
    found = load_image(tmp_path / "a.png", COLOR)
    expected = (pixels / 255 - np.array(COLOR.mean)) / np.array(COLOR.std)
    assert found.dtype == np.float32
    assert np.allclose(found, expected.transpose(2, 0, 1), atol=1e-6)
    assert np.allclose(COLOR.restore(found).transpose(1, 2, 0) * 255, pixels, atol=1e-3)


def test_resizing_is_torchs_bilinear_with_antialias(tmp_path: Path) -> None:
    pixels = save_picture(tmp_path / "a.png")
    image = torch.from_numpy(pixels)[None, None].float() / 255
    found = torch.from_numpy(GRAY.restore(load_image(tmp_path / "a.png", GRAY)))
    smooth = F.interpolate(image, (4, 6), mode="bilinear", antialias=True)[0]
    assert (found - smooth).abs().max() < 1.5 / 255
    rough = F.interpolate(image, (4, 6), mode="bilinear", antialias=False)[0]
    assert (found - rough).abs().max() > 0.1


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("preprocess", [GRAY, COLOR])
def test_every_kind_of_png_is_read(tmp_path: Path, mode: str, preprocess: Preprocess) -> None:
    """A white picture is white, however its pixels are stored."""
    white = Image.new(mode, (9, 9), {"1": 1, "I;16": 65535, "LA": (255, 255)}.get(mode, "white"))
    white.save(tmp_path / "a.png")
    found = preprocess.restore(load_image(tmp_path / "a.png", preprocess))
    assert found.shape == preprocess.shape
    assert np.allclose(found, 1, atol=1e-6)


def test_a_jpeg_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    picture = Image.fromarray(np.repeat(np.linspace(0, 255, 32, dtype=np.uint8)[None], 32, axis=0))
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "a.jpg", quality=95)
    picture.save(tmp_path / "b.jpg", quality=95, exif=exif)
    upright, turned = (load_image(tmp_path / name, GRAY) for name in ("a.jpg", "b.jpg"))
    assert np.allclose(turned, upright[:, ::-1, ::-1], atol=0.02)
    assert not np.allclose(turned, upright, atol=0.2)


def make_huge_png(path: Path, side: int) -> None:
    """A few bytes that say they are side × side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


@pytest.mark.parametrize("side", [8_200, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_unread(tmp_path: Path, side: int) -> None:
    make_huge_png(tmp_path / "bomb.png", side)
    with pytest.raises(ArchspecError, match=r"bomb\.png is too large a picture"):
        load_image(tmp_path / "bomb.png", GRAY)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path: Path, name: str) -> None:
    save_picture(tmp_path / name, (40, 40))
    whole = (tmp_path / name).read_bytes()
    for part in (0.0, 0.02, 0.3, 0.6, 0.9):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(ArchspecError, match=rf"{name} is (a broken picture|no PNG or JPEG)"):
            load_image(tmp_path / name, GRAY)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("hello")
    save_picture(tmp_path / "a.gif")
    for name, message in (
        ("none.png", "does not exist"),
        (".", "not a file"),
        ("text.png", "no PNG"),
        ("a.gif", "no PNG"),
    ):
        with pytest.raises(ArchspecError, match=message):
            load_images(tmp_path / name, GRAY)
    with pytest.raises(ArchspecError, match=r"takes 2 channels: give it \.npy"):
        load_image(tmp_path / "a.gif", Preprocess(2, 1, 1, (0, 0), (1, 1)))


def test_arrays_are_taken_as_they_are(tmp_path: Path) -> None:
    images = np.random.default_rng(0).standard_normal((3, *GRAY.shape))
    np.save(tmp_path / "three.npy", images)
    np.save(tmp_path / "one.npy", np.asfortranarray(images[0].astype(">f4")))
    assert np.array_equal(load_images(tmp_path / "three.npy", GRAY), images.astype(np.float32))
    found = load_images(tmp_path / "one.npy", GRAY)
    assert found.dtype == np.float32
    assert np.array_equal(found, images[:1].astype(np.float32))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((1, 4, 5), np.float32), r"has shape \(1, 4, 5\); the network takes \(1, 4, 6\) or \(N, 1, 4, 6\)"),
        (np.zeros((4, 6), np.float32), "has shape"),
        (np.zeros((0, 1, 4, 6), np.float32), "has shape|readable"),
        (np.zeros((1, 4, 6), np.uint8), "holds uint8"),
        (np.full((1, 4, 6), np.nan), "infinite numbers or NaN"),
        (np.full((1, 4, 6), 1e300), "infinite numbers or NaN"),
        (np.array([{"a": 1}], dtype=object), "not a readable .npy"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ArchspecError, match=message):
        load_images(tmp_path / "a.npy", GRAY)


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "whole.npy", np.zeros(100))
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    whole = (tmp_path / "whole.npy").read_bytes()
    contents = [b"", b"hello", whole[:50], whole[:-1], whole.replace(b"(100,)", b"(1" + b"0" * 15 + b",)")]
    contents += [(tmp_path / "many.npz").read_bytes(), whole.replace(b"}", b" ")]
    for content in contents:
        (tmp_path / "a.npy").write_bytes(content)
        with pytest.raises(ArchspecError, match=r"a\.npy (is not a readable|holds several)"):
            load_array(tmp_path / "a.npy")
