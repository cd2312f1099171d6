"""Pictures become the arrays that a network was trained on; anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from archspec.errors import ArchspecError
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import FaintNote, load_image, read_picture
from tests.support.pngs import write_png

GRAY = Preprocess(1, (4, 6), (0.25,), (0.5,))
COLOR = Preprocess(3, (4, 6), (0.1, 0.2, 0.3), (1.0, 0.5, 2.0))


def save_picture(path: Path, shape: tuple[int, ...] = (16, 18), seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


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
    assert (found - smooth).abs().max() < 1.01 / 255  # Pillow rounds after each of the two axes
    rough = F.interpolate(image, (4, 6), mode="bilinear", antialias=False)[0]
    assert (found - rough).abs().max() > 0.1


def test_a_picture_is_resized_padded_or_taken_as_it_is(tmp_path: Path) -> None:
    """The last row and column are repeated behind it: numpy's own edge padding is the witness."""
    pixels = save_picture(tmp_path / "a.png", (5, 7, 3))
    image = COLOR.normalize(pixels.transpose(2, 0, 1))
    for fit, frame, told in (
        ((5, 7), Frame((5, 7), (5, 7), (5, 7)), {"size": [5, 7]}),
        ((8, 8), Frame((5, 7), (5, 7), (8, 8)), {"size": [5, 7], "padded_to": [8, 8]}),
        (None, Frame((5, 7), (4, 6), (4, 6)), {"size": [5, 7], "resized_to": [4, 6]}),
    ):
        found, reading = read_picture(tmp_path / "a.png", COLOR, lambda own, fit=fit: fit)  # type: ignore[misc]
        assert reading.frame == frame
        assert reading.to_dict() == told
        if fit:
            wanted = [(0, 0), (0, fit[0] - 5), (0, fit[1] - 7)]
            assert np.array_equal(found, np.pad(image, wanted, mode="edge"))
        else:
            assert np.array_equal(found, load_image(tmp_path / "a.png", COLOR))


def test_what_was_done_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.full((4, 6, 2), 1000)
    write_png(tmp_path / "a.png", pixels, 16)
    _, reading = read_picture(tmp_path / "a.png", GRAY, ground=(32, 64, 96))
    assert reading.to_dict() == {"size": [4, 6], "largest_of_65535": 1000, "ground": "#204060"}
    note = FaintNote()
    for name in ("a.png", "b.png"):
        note(name, reading)
    (told,) = caplog.messages
    assert "a.png uses 16 bits up to 1,000 of 65,535, and is read as value / 65,535" in told
    pixels[..., 1] = 65535
    write_png(tmp_path / "a.png", pixels, 16)
    opaque = read_picture(tmp_path / "a.png", GRAY, ground=(0, 0, 0))[1]
    assert "ground" not in opaque.to_dict()


def test_channels_other_than_gray_and_colours_come_from_arrays(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    with pytest.raises(ArchspecError, match=r"takes 2 channels: give it \.npy"):
        load_image(tmp_path / "a.png", Preprocess(2, (1, 1), (0, 0), (1, 1)))
