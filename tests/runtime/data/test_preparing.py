"""A stored sample is prepared as `run` prepares a picture, bit for bit, and what is asked of it goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from archspec.errors import ArchspecError
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.preparing import prepare_sample
from runtime.pictures.file import open_picture
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from tests.support.pngs import write_png

WAYS: list[dict[str, Any]] = [
    {},
    {"interpolation": "bicubic", "order": "bgr", "scale": 255},
    {"resize": "shorter", "resize_to": 36},
    {"resize": "letterbox", "fill": (0, 0.5, 1)},
    {"resize": "none"},
]


def prepare(**others: Any) -> Preprocess:
    return Preprocess(3, (32, 28), (0.4, 0.5, 0.6), (0.25,) * 3, **others)


@pytest.mark.parametrize("kind", ["png", "jpg", "deep", "large.jpg", "gray", "turned.jpg"])
@pytest.mark.parametrize("way", WAYS)
def test_training_and_run_prepare_a_picture_alike_bit_for_bit(way: dict[str, Any], kind: str, tmp_path: Path) -> None:
    path, preprocess = tmp_path / f"a.{kind.split('.')[-1]}", prepare(**way)
    extents = (320, 240) if kind.startswith("large") else (50, 70)
    pixels = np.random.default_rng(0).integers(0, 256, (*extents, 3), dtype=np.uint8)
    if kind == "deep":
        write_png(path, pixels.astype(np.int64) * 257 + 3, 16)
    elif kind == "gray":
        Image.fromarray(pixels[..., 0]).save(path, "PNG")
    else:
        exif = Image.Exif()
        exif[0x0112] = 6 if kind.startswith("turned") else 1
        Image.fromarray(pixels).save(path, exif=exif)
    stored = open_picture(path).take_levels(3)
    assert stored.dtype == (np.uint16 if kind == "deep" else np.uint8)
    data = Dataset(
        "one", ArraySamples(stored[None], np.zeros(1)), ArraySamples(stored[None], np.zeros(1)), ("a",), preprocess
    )
    run = load_image(path, preprocess)
    reduced = kind == "large.jpg" and way.get("resize") != "none"
    if not reduced:
        assert np.array_equal(data.held_out.images[0], run)
    else:  # `run` decodes at a part of the size, and so do the readers of a data set's files
        part = open_picture(path, lambda own: preprocess.size).take_levels(3)
        assert part.shape[1] < stored.shape[1]
        assert np.array_equal(preprocess.normalize(prepare_sample(part, 0, preprocess, "labels")[0]), run)
        assert not np.array_equal(data.held_out.images[0], run)
    shifted, _ = prepare_sample(np.roll(stored, 1, 2), 0, preprocess, "labels")
    assert not np.array_equal(preprocess.normalize(shifted), run)  # the control


@pytest.mark.parametrize("way", WAYS)
def test_a_map_lies_on_its_image(way: dict[str, Any]) -> None:
    """A white disc on black is its own map: the two agree but for the outline, where levels are mixed."""
    drawn = Image.new("L", (70, 50))
    ImageDraw.Draw(drawn).ellipse((25, 12, 48, 40), fill=1)
    truth = np.asarray(drawn)
    preprocess = prepare(**way)
    image, label = prepare_sample(np.stack([truth * np.uint8(255)] * 3), truth, preprocess, "maps")
    asked = label != 255
    found = image[1] > 127
    union = (found | (label == 1))[asked].sum()
    assert label.dtype == np.int64
    assert (found & (label == 1))[asked].sum() / union > 0.97
    moved = np.roll(found, 1, 1)
    assert (moved & (label == 1))[asked].sum() / (moved | (label == 1))[asked].sum() < 0.95  # the control
    assert asked.all() == (way.get("resize") != "letterbox")


@pytest.mark.parametrize("way", WAYS)
def test_a_joint_goes_with_its_image_and_is_not_asked_where_it_is_not_seen(way: dict[str, Any]) -> None:
    image = np.zeros((3, 50, 70), np.float32)
    image[:, 24:27, 30:33] = 1
    points = np.array([[31, 25, 2], [31, 25, 0], [0, 0, 1], [69.5, 0, 2], [31, 25, 1]], np.float32)
    preprocess = prepare(**{**way, **({"fill": (0, 0, 0)} if way.get("resize") == "letterbox" else {})})
    prepared, label = prepare_sample(image, points, preprocess, "joints")
    (rows, columns), mass = (prepared[0].sum(axis) for axis in (1, 0)), prepared[0].sum()
    centre = np.array([columns @ np.arange(28), rows @ np.arange(32)]) / mass
    assert label.shape == (5, 2)
    assert np.allclose(label[[0, 4]], centre, atol=0.1)
    assert not np.allclose(label[0] + 1, centre, atol=0.1)  # the control
    assert np.isnan(label[1]).all()
    assert np.isnan(label[2]).all() == (way.get("resize") in ("shorter", "none"))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ArchspecError, match="an image is 1×5×6, and the network is trained on 3×32×28"):
        prepare_sample(np.zeros((1, 5, 6), np.uint8), 0, prepare(), "labels")
    with pytest.raises(ArchspecError, match="an image is 3×5, and the network is trained on"):
        prepare_sample(np.zeros((3, 5), np.uint8), 0, prepare(), "labels")
    for shape in ((5, 7), (6,), (), (1, 5, 6)):
        with pytest.raises(ArchspecError, match="does not lie on its image, which is 5×6"):
            prepare_sample(np.zeros((3, 5, 6), np.uint8), np.zeros(shape, np.uint8), prepare(), "maps")
