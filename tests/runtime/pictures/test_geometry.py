"""Where images lie on inputs, and what becomes of them there: torchvision's transforms are the witness."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.pictures.frame import Frame
from runtime.pictures.geometry import move_points, place, place_whole, resize_image, resize_map
from runtime.pictures.preprocess import LEVELS, Preprocess
from tests.support.torchvision_models import import_torchvision_models

OWN = [(30, 41), (41, 30), (24, 24), (61, 24), (25, 200), (299, 224), (33, 34)]


def prepare(size: tuple[int, ...] = (24, 20), channels: int = 3, **others: Any) -> Preprocess:
    return Preprocess(channels, size, (0.5,) * channels, (0.25,) * channels, **others)


def draw(shape: tuple[int, ...], dtype: type[np.generic] = np.uint8, seed: int = 0) -> Array:
    values = np.random.default_rng(seed).random(shape) * (LEVELS.get(np.dtype(dtype), 0) + 1)
    return values.astype(dtype)


def transform(pixels: Array, *steps: Any) -> Array:
    """What torchvision makes of a picture (C, H, W) of eight bits."""
    picture = Image.fromarray(np.moveaxis(pixels, 0, 2))
    for step in steps:
        picture = step(picture)
    return np.moveaxis(np.asarray(picture), 2, 0)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("own", OWN)
def test_pictures_are_prepared_as_torchvision_does_bit_for_bit(own: tuple[int, int], interpolation: Any) -> None:
    import_torchvision_models()
    their = import_module("torchvision.transforms")
    how = their.InterpolationMode(interpolation)
    pixels = draw((3, *own))
    for preprocess, steps in (
        (prepare(), [their.Resize((24, 20), how)]),
        (prepare(resize="shorter", resize_to=29), [their.Resize(29, how), their.CenterCrop((24, 20))]),
        (prepare((24, 24), resize="shorter"), [their.Resize(24, how), their.CenterCrop(24)]),
        (prepare(resize_to=27), [their.Resize((27, 27), how), their.CenterCrop((24, 20))]),
    ):
        ours = Preprocess(**{**_fields(preprocess), "interpolation": interpolation})
        frame = place(ours, own)
        found = resize_image(pixels, ours, frame)
        assert found.dtype == np.uint8
        assert np.array_equal(found, transform(pixels, *steps))
        other = Preprocess(**{**_fields(preprocess), "interpolation": "nearest"})
        assert not frame.resized or not np.array_equal(found, resize_image(pixels, other, frame))  # the control
    large = draw((3, 40, 50))
    assert np.array_equal(
        resize_image(large, prepare(resize="none"), place(prepare(resize="none"), (40, 50))),
        transform(large, their.CenterCrop((24, 20))),
    )


def _fields(preprocess: Preprocess) -> dict[str, Any]:
    return {name: getattr(preprocess, name) for name in Preprocess.__slots__}


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("own", [(17,), (9, 13), (5, 9, 13)])
def test_every_type_and_number_of_axes_is_resized_alike(
    own: tuple[int, ...], dtype: type[np.generic], interpolation: Any
) -> None:
    """Each channel by itself, in float32, is the witness of levels; levels of sixteen bits keep all sixteen."""
    preprocess = prepare((7,) * len(own), 2, interpolation=interpolation)
    frame, image = place(preprocess, own), draw((2, *own), dtype)
    found = resize_image(image, preprocess, frame)
    whole = LEVELS.get(np.dtype(dtype), 1)
    wanted = np.stack(
        [resize_image(channel[None].astype(np.float32), prepare((7,) * len(own), 1, interpolation=interpolation), frame)
         for channel in image]
    )[:, 0]  # fmt: skip
    assert (found.dtype, found.shape) == (np.dtype(dtype), (2, *preprocess.size))
    assert np.abs(found - wanted.clip(0, whole) if whole > 1 else found - wanted).max() <= (1.2 if whole > 1 else 0)
    if dtype == np.uint16 and interpolation != "nearest":
        assert len(np.unique(found % 256)) > 7


@st.composite
def list_places(pick: st.DrawFn) -> tuple[Preprocess, tuple[int, ...]]:
    axes = pick(st.integers(1, 3))
    size = tuple(pick(st.integers(1, 12)) for _ in range(axes))
    resize = pick(st.sampled_from(["exact", "shorter", "letterbox", "none"]))
    more: dict[str, Any] = {"resize_to": pick(st.integers(12, 20))} if resize == "shorter" else {}
    return prepare(size, 1, resize=resize, **more), tuple(pick(st.integers(1, 30)) for _ in range(axes))


@given(list_places())
def test_a_frame_says_where_each_pixel_went(case: tuple[Preprocess, tuple[int, ...]]) -> None:
    """An image whose values are its own coordinates, resized linearly: away from the borders, each pixel of the input
    holds the coordinate that the frame says, up to a quarter of a pixel where some are mixed. A frame that is one pixel
    off does not say it."""
    preprocess, own = case
    frame = place(preprocess, own)
    assert frame.image == preprocess.size
    for axis, extent in enumerate(own):
        along = [-1 if other == axis else 1 for other in range(len(own))]
        ramp = np.broadcast_to(np.arange(extent, dtype=np.float32).reshape(along), own)[None]
        filled = frame.find_filled()
        middle = tuple(part if number == axis else part.start for number, part in enumerate(filled))
        found = resize_image(ramp, preprocess, frame)[0][middle]
        pixels = np.arange(filled[axis].start, filled[axis].stop, dtype=np.float64)
        places, apart = frame.to_own(pixels, axis), extent / frame.shown[axis]
        sure, close = (places > apart) & (places < extent - 1 - apart), 0.25 if apart > 1 else 1e-3
        assert np.allclose(found[sure], places[sure], atol=close)
        off = Frame(frame.own, frame.shown, frame.image, tuple(start + 1 for start in frame.start))
        assert not sure.any() or not np.allclose(found[sure], off.to_own(pixels, axis)[sure], atol=close)
        assert np.allclose(frame.from_own(places, axis), pixels)


@given(list_places(), st.integers(0, 9))
def test_what_is_kept_and_what_is_filled_are_as_many(case: tuple[Preprocess, tuple[int, ...]], padding: int) -> None:
    preprocess, own = case
    frame = place(preprocess, own)
    pairs = list(zip(frame.find_kept(), frame.find_filled(), strict=True))
    assert all(kept.stop - kept.start == filled.stop - filled.start > 0 for kept, filled in pairs)
    assert all(kept.start - filled.start == -start for (kept, filled), start in zip(pairs, frame.start, strict=True))
    shares = list(zip(pairs, frame.shown, frame.image, strict=True))
    assert frame.padded == any(filled.stop - filled.start < extent for (_, filled), _, extent in shares)
    assert frame.cropped == any(kept.stop - kept.start < extent for (kept, _), extent, _ in shares)
    assert preprocess.resize in ("exact", "letterbox") or not any(start > 0 for start in frame.start)
    assert not (preprocess.resize == "letterbox" and frame.cropped)
    assert not (preprocess.resize in ("exact", "shorter") and frame.padded)
    classes = np.zeros(own, np.uint8)
    assert (resize_map(classes, frame, padding + 1) == 0).sum() == np.prod(
        [kept.stop - kept.start for kept, _ in pairs]
    )


def test_a_letterbox_lies_in_the_middle_of_its_fill() -> None:
    """100×50 into 24×20: 24×12 of it, 4 columns before and behind. The fill is in the network's order of colours."""
    preprocess = prepare(resize="letterbox", fill=(0, 0.5, 1), order="bgr")
    frame = place(preprocess, (100, 50))
    assert (frame.shown, frame.start, frame.padding) == ((24, 12), (0, 4), ((0, 0), (4, 4)))
    for dtype, whole in ((np.uint8, 255), (np.uint16, 65535), (np.float32, 1)):
        image = draw((3, 100, 50), dtype)
        found = resize_image(image, preprocess, frame)
        assert np.array_equal(
            found[:, :, 4:16], resize_image(image, prepare((24, 12)), place(prepare((24, 12)), (100, 50)))
        )
        read = preprocess.normalize(found)[:, 0, 0]
        assert np.allclose(read, (np.array([0, 0.5, 1]) - 0.5) / 0.25, atol=4 / whole if whole > 1 else 0)
        assert np.array_equal(found[:, :, :4], np.broadcast_to(found[:, :1, :1], (3, 24, 4)))
    assert resize_map(np.ones((100, 50), np.uint8), frame)[0].tolist() == [255] * 4 + [1] * 12 + [255] * 4


def test_what_is_not_resized_is_cut_or_repeats_its_border() -> None:
    preprocess = prepare((6, 8), 1, resize="none")
    image = draw((1, 9, 5))
    frame = place(preprocess, (9, 5))
    assert (frame.start, frame.padded, frame.cropped) == ((-2, 0), True, True)
    found = resize_image(image, preprocess, frame)
    assert np.array_equal(found, np.pad(image[:, 2:8], [(0, 0), (0, 0), (0, 3)], mode="edge"))


def test_a_map_goes_where_its_image_goes() -> None:
    """Classes as a picture of two levels, resized by the nearest, are the witness."""
    truth = (draw((1, 37, 51)) > 128).astype(np.uint8)
    for resize in ("exact", "shorter", "letterbox", "none"):
        preprocess = prepare((24, 20), 1, resize=resize, interpolation="nearest")
        frame = place(preprocess, (37, 51))
        filled = frame.find_filled()
        found = resize_map(truth[0], frame)
        assert np.array_equal(found[filled], resize_image(truth, preprocess, frame)[0][filled])
        assert ((found == 255).sum() == 0) == (resize != "letterbox")


def test_points_go_where_their_pixels_go() -> None:
    """A bright pixel in the middle of 8×8 dark ones is found again by its centre of mass."""
    image = np.zeros((1, 64, 96), np.float32)
    image[0, 21:24, 50:53] = 1
    for resize in ("exact", "shorter", "letterbox", "none"):
        preprocess = prepare((40, 40), 1, resize=resize, **({"fill": (0,)} if resize == "letterbox" else {}))
        frame = place(preprocess, (64, 96))
        (moved,) = move_points([[51, 22, 2]], frame)
        found = resize_image(image, preprocess, frame)[0]
        rows, columns = (found.sum(1) @ np.arange(40)) / found.sum(), (found.sum(0) @ np.arange(40)) / found.sum()
        assert moved[2] == 2
        assert np.allclose(moved[:2], (columns, rows), atol=0.02)
        assert not np.allclose(moved[:2] + 1, (columns, rows), atol=0.02)  # the control


def test_all_of_an_image_is_seen_where_the_network_takes_it() -> None:
    def fit(extents: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(-(-extent // 8) * 8 for extent in extents)

    own = (30, 45)
    assert place_whole(prepare(), own, fit) == Frame(own, own, (32, 48))
    assert place_whole(prepare(resize="none"), own, fit) == Frame(own, own, (32, 48))
    assert place_whole(prepare(resize="shorter", resize_to=60), own, fit) == Frame(own, (60, 90), (64, 96))
    for resize in ("exact", "shorter", "letterbox", "none"):
        preprocess = prepare(resize=resize)
        assert place_whole(preprocess, own, lambda shown: None) == place(preprocess, own)
    assert place_whole(prepare(resize="letterbox"), own, fit) == place(prepare(resize="letterbox"), own)


def test_a_volume_is_resampled_to_the_spacing_of_training() -> None:
    preprocess = prepare((8, 8, 8), 1, resize="none", spacing=(2, 1, 1))
    assert place(preprocess, (20, 10, 9), (1, 1, 2)).shown == (10, 10, 18)
    assert place(preprocess, (20, 10, 9)).shown == (20, 10, 9)
    whole = place_whole(preprocess, (20, 10, 9), lambda shown: shown, (1, 1, 2))
    assert (whole.shown, whole.image) == ((10, 10, 18), (10, 10, 18))
    tiny = prepare((8, 8, 8), 1, resize="none", spacing=(1e-300, 1, 1))
    with pytest.raises(ArchspecError, match=r"would be resized to .* more than 67,108,864 numbers"):
        place(tiny, (20, 10, 9), (1e300, 1, 2))


def test_what_cannot_be_placed_is_refused() -> None:
    with pytest.raises(ArchspecError, match="an image of 5 has 1 axes; the network takes 2"):
        place(prepare(), (5,))
    with pytest.raises(ArchspecError, match="an image of 1×60000 would be resized to 3×256×15360000"):
        place(prepare(resize="shorter", resize_to=256), (1, 60000))
    with pytest.raises(ArchspecError, match="an image of 4×4 would be resized to 3×32768×32768, more than 67,108,864"):
        place(prepare(resize_to=32768), (4, 4))
    for way in ("exact", "shorter", "letterbox", "none"):
        with pytest.raises(ArchspecError, match="an image of 0×5 has no pixels"):
            place(prepare(resize=way), (0, 5))
    with pytest.raises(ArchspecError, match="an image of 4×4 pixels was placed as one of 5×5"):
        resize_image(draw((3, 4, 4)), prepare(), place(prepare(), (5, 5)))
