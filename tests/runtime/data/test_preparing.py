"""A stored sample is prepared as `run` prepares a picture, bit for bit, and what is asked of it goes with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from archspec.errors import ArchspecError
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.preparing import check_image, cut_sample, prepare_sample, scale_levels, size_sample
from runtime.pictures.file import open_picture
from runtime.pictures.frame import Frame
from runtime.pictures.preprocess import Preprocess
from runtime.pictures.reading import load_image
from runtime.tasks.registry import find_task
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


SIZE = (12, 16)


@given(
    resize=st.sampled_from(["exact", "shorter", "letterbox", "none"]),
    own=st.tuples(st.integers(3, 40), st.integers(3, 40)),
    seed=st.integers(0, 2**16),
)
def test_two_steps_are_the_one(resize: str, own: tuple[int, int], seed: int) -> None:
    preprocess = Preprocess(3, SIZE, (0.5,) * 3, (0.2,) * 3, resize=resize)  # type: ignore[arg-type]
    chance = np.random.default_rng(seed)
    image = chance.integers(0, 256, (3, *own), np.uint8)
    for name, target in (("maps", image[0] % 5), ("joints", chance.uniform(0, own[::-1], (4, 2)))):
        task = find_task(name)
        found, moved = cut_sample(*size_sample(image, target, preprocess, task), preprocess, task)
        expected, label = prepare_sample(image, target, preprocess, name)
        assert np.array_equal(found, expected)
        assert np.allclose(task.prepare_target(moved, Frame.whole(SIZE)), label, atol=1e-3, equal_nan=True)


def test_an_image_of_the_right_size_stays_as_it_is() -> None:
    preprocess = Preprocess(1, SIZE, (0.5,), (0.2,))
    image = np.zeros((1, *SIZE), np.uint16)
    task = find_task("labels")
    assert size_sample(image, 3, preprocess, task)[0] is image
    assert cut_sample(image, np.array(3), preprocess, task)[0] is image


def test_levels_are_shares_of_the_largest() -> None:
    assert scale_levels(np.array([0, 51, 255], np.uint8)).tolist() == pytest.approx([0, 0.2, 1])
    assert scale_levels(np.array([0, 65535], np.uint16)).tolist() == [0, 1]
    assert scale_levels(np.array([0.3, 7.0])).tolist() == pytest.approx([0.3, 7.0])


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_that_was_decoded_smaller_has_its_target_in_its_own_pixels(way: dict[str, Any]) -> None:
    preprocess, task = prepare(**way), find_task("joints")
    image = np.random.default_rng(0).integers(0, 256, (3, 60, 80), np.uint8)
    points = np.array([[20.0, 30, 2], [70, 10, 1]], np.float32)
    whole, moved = size_sample(image, points, preprocess, task)
    if way.get("resize") == "none":
        return
    part, found = size_sample(image[:, ::2, ::2], points, preprocess, task, (60, 80))
    assert part.shape == whole.shape
    assert np.array_equal(found, moved)


def test_what_is_no_image_is_refused() -> None:
    preprocess = prepare()
    with pytest.raises(ArchspecError, match="an image is 3×0×8: it has no pixels"):
        check_image(np.zeros((3, 0, 8), np.uint8), preprocess)
    with pytest.raises(ArchspecError, match="an image is of int64; expected uint8, uint16 or float32"):
        check_image(np.zeros((3, 8, 8), np.int64), preprocess)
    with pytest.raises(ArchspecError, match="an image is a single number, and the network is trained on 3×32×28"):
        check_image(5, preprocess)
    for dtype in (np.float64, np.float16):
        assert check_image(np.zeros((3, 4, 4), dtype), preprocess).dtype == np.float32
