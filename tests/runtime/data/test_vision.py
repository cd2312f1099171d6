"""torchvision's moves of pictures, and ours of maps and positions with them: blobs stay where their positions are."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.arrays import Array
from archspec.errors import InputError
from runtime.data.chance import drawing_torch_by
from runtime.data.torchvision_import import import_torchvision
from runtime.data.vision import Vision, find_fill, find_matrix, list_vision_keys, move_by_matrix, undo_moves
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection
from runtime.tasks.registry import find_task
from tests.support.blobs import draw_blobs, find_blobs

SIZE = (64, 80)
POINTS = np.array([[30.0, 28, 2], [46, 35, 1], [38, 40, 2]], np.float32)


def make(task: str, size: tuple[int, int] = SIZE, channels: int = 3, **section: Any) -> Vision:
    preprocess = Preprocess(channels, size, (0.4,) * channels, (0.2,) * channels)
    return Vision(AugmentSection(**section), preprocess, find_task(task))


def move(vision: Vision, image: Array, target: Array, seed: int) -> tuple[Array, Array]:
    with drawing_torch_by(seed):
        return vision.move(image, target)


MOVES: dict[str, dict[str, Any]] = {
    "rotate": {"rotate": 40},
    "zoom": {"zoom": [0.7, 1.3]},
    "shear": {"shear": 20},
    "all": {"rotate": 30, "zoom": [0.8, 1.2], "shear": 10},
    "crop": {"scale": [0.6, 1.0], "ratio": [0.8, 1.25]},
    "elastic": {"elastic": 60},
}


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("seed", range(4))
def test_blobs_stay_where_their_positions_are(name: str, seed: int) -> None:
    """To a tenth of a pixel, a fifth where the move is not the same all over the blob. The control: half a pixel, by
    which torchvision's own keypoints are off, is found."""
    image = draw_blobs(POINTS, *SIZE, 0.8 if name == "elastic" else 2)
    moved, points = move(make("joints", **MOVES[name]), image, POINTS, seed)
    off = np.abs(find_blobs(moved) - points[:, :2])
    allowed = 0.2 if name == "elastic" else 0.1
    assert off.max() < allowed
    assert np.abs(find_blobs(moved) - points[:, :2] - 0.5).max() > allowed
    assert np.abs(points - POINTS).max() > 0.3  # something moved
    assert (points[:, 2] == POINTS[:, 2]).all()


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("seed", range(3))
def test_maps_lie_on_their_pictures(name: str, seed: int) -> None:
    """A disc's map and its picture, at half its height, have one border to a pixel: IoU at least 0.95. The control is
    the map moved by two pixels."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    disc = ((rows - 31) ** 2 + (columns - 41) ** 2 < 14**2).astype(np.uint8)
    image = np.repeat(disc[None].astype(np.float32), 3, 0)
    moved, classes = move(make("maps", **MOVES[name]), image, disc, seed)
    assert classes.dtype == np.uint8
    there, said = moved[0] > 0.5, classes == 1
    assert (there & said).sum() / (there | said).sum() > 0.95
    wrong = np.roll(said, 2, 1)
    assert (there & wrong).sum() / (there | wrong).sum() < 0.92
    assert set(np.unique(classes)) <= {0, 1, 255}
    assert ((classes == 255) <= (moved[0] < 0.5)).all()


@given(
    st.floats(-180, 180), st.floats(0.3, 3), st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
)  # fmt: skip
def test_the_matrix_is_torchvisions(angle: float, scale: float, shear: Any, translate: Any) -> None:
    """Its keypoints are those of corners of pixels, half a pixel from the centres."""
    functional = import_torchvision("torchvision.transforms.v2.functional")
    keypoints = import_torchvision("torchvision.tv_tensors").KeyPoints
    corners = torch.from_numpy(POINTS[:, :2].astype(np.float64)) + 0.5
    theirs = functional.affine(
        keypoints(corners, canvas_size=SIZE), angle=angle, translate=translate, scale=scale, shear=shear
    )
    ours = move_by_matrix(POINTS, find_matrix(angle=angle, translate=translate, scale=scale, shear=shear, extents=SIZE))
    assert np.allclose(ours[:, :2], theirs.numpy() - 0.5, atol=1e-3)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_elastic_moves_are_undone(seed: int) -> None:
    """A position and what the moved picture shows there: where the moves are p -> p + moves(p)."""
    chance = np.random.default_rng(seed)
    waves = chance.uniform(-1, 1, (2, 3))
    rows, columns = np.mgrid[:40, :50]
    moves = np.stack([3 * np.sin(columns / 9 * a + rows / 9 * b + c) for a, b, c in waves], -1)
    points = chance.uniform(10, 30, (5, 3))
    moved = undo_moves(points, moves)
    for (x, y, _), (old_x, old_y, _) in zip(moved, points, strict=True):
        row, column = round(float(y)), round(float(x))
        assert np.abs(np.array([x, y]) + moves[row, column] - [old_x, old_y]).max() < 0.8
    whole = np.rint(points)
    there = whole.copy()
    there[:, :2] += moves[whole[:, 1].astype(int), whole[:, 0].astype(int)]
    assert np.allclose(undo_moves(there, moves), whole, atol=1e-2)


SECTIONS: list[dict[str, Any]] = [
    {"brightness": 0.4},
    {"contrast": 0.4},
    {"saturation": 0.8},
    {"hue": 0.2},
    {"gray": 1.0},
    {"blur": 1.0},
    {"noise": 0.1},
    {"erase": 1.0},
    {"auto": "rand_augment"},
    {"auto": "trivial_augment"},
]


@pytest.mark.parametrize("section", SECTIONS, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_colours_change_and_eight_bits_stay(section: dict[str, Any], dtype: Any) -> None:
    """Sixteen bits become values; the same seed gives the same picture, and one of eight bits is that of values to
    within a few levels where nothing is spread by its histogram."""
    chance = np.random.default_rng(0)
    levels = chance.integers(60, 190, (3, *SIZE), np.uint8)
    image = {"uint8": levels, "uint16": levels.astype(np.uint16) * 257, "float32": levels.astype(np.float32) / 255}
    vision = make("labels", **section)

    def vary(kind: str) -> Array:
        with drawing_torch_by(7):
            return vision.colour(vision.move(image[kind], np.array(0))[0])

    name = np.dtype(dtype).name
    found = vary(name)
    assert found.dtype == (np.uint8 if dtype == np.uint8 else np.float32)
    assert np.array_equal(found, vary(name))
    values = found / 255 if dtype == np.uint8 else found
    assert np.abs(values - image["float32"]).max() > 0.01
    if not {"auto", "noise"} & set(section):
        assert np.abs(values - vary("float32")).max() < 4 / 255


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_noise_has_its_deviation_and_no_mean(dtype: Any) -> None:
    """Within five standard errors, in shares of white; levels are rounded to the nearest."""
    image = np.full((3, *SIZE), 128, np.uint8)
    given = image if dtype == np.uint8 else image.astype(np.float32) / 255
    with drawing_torch_by(3):
        found = make("labels", noise=0.05).colour(given).astype(np.float64)
    off = (found - given) / (255 if dtype == np.uint8 else 1)
    assert abs(off.mean()) < 5 * 0.05 / np.sqrt(off.size)
    assert off.std() == pytest.approx(0.05, rel=5 / np.sqrt(2 * off.size))


def test_an_erased_part_is_the_mean() -> None:
    erased = make("labels", erase=1.0)
    with drawing_torch_by(1):
        found = erased.colour(np.zeros((3, *SIZE), np.uint8))
    assert set(np.unique(found)) == {0, 102}


def test_only_what_is_on_is_torchvisions() -> None:
    assert list_vision_keys(AugmentSection(flip="both", shift=3, pad_crop=4)) == []
    assert list_vision_keys(AugmentSection(rotate=3, gray=0.1)) == ["rotate", "gray"]


@pytest.mark.parametrize(
    ("task", "channels", "section", "message"),
    [
        ("labels", 1, {"hue": 0.1}, "augment: hue is of pictures of 3 channels, and these have 1"),
        ("labels", 4, {"brightness": 0.1}, "augment: brightness is of pictures of 1 or 3 channels, and these have 4"),
        ("maps", 3, {"auto": "rand_augment"}, "auto: rand_augment is for labels: it moves pixels, and pixels stay"),
        ("joints", 3, {"auto": "trivial_augment"}, "trivial_augment is for labels: it moves pixels, and joints stay"),
    ],
)
def test_what_cannot_be_done_is_refused(task: str, channels: int, section: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(task, channels=channels, **section)


def test_images_that_cannot_be_varied_are_refused() -> None:
    with pytest.raises(InputError, match="elastic needs 21 pixels along each side, and an image has 20 by 80"):
        make("labels", elastic=5).move(np.zeros((3, 20, 80), np.uint8), np.array(0))
    with pytest.raises(InputError, match="colours have values from 0 to 1, and an image has some from -1 to 1"):
        make("labels", brightness=0.5).colour(np.linspace(-1, 1, 3 * 64 * 80, dtype=np.float32).reshape(3, 64, 80))


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4)])
def test_small_images_are_blurred_too(size: tuple[int, int]) -> None:
    vision = make("labels", size, blur=1.0)
    assert vision.colour(np.full((3, *size), 7, np.uint8)).tolist() == np.full((3, *size), 7).tolist()


def test_borders_are_black_or_a_letterboxs() -> None:
    plain = Preprocess(3, SIZE, (0.2, 0.4, 0.6), (0.2,) * 3)
    boxed = Preprocess(3, SIZE, (0.2, 0.4, 0.6), (0.2,) * 3, resize="letterbox")
    turned = Preprocess(3, SIZE, (0.2, 0.4, 0.6), (0.2,) * 3, resize="letterbox", order="bgr")
    assert find_fill(plain, np.dtype(np.uint8)).ravel().tolist() == [0, 0, 0]
    assert find_fill(boxed, np.dtype(np.uint8)).ravel().tolist() == [51, 102, 153]
    assert find_fill(turned, np.dtype(np.uint8)).ravel().tolist() == [153, 102, 51]
    assert find_fill(boxed, np.dtype(np.float32)).ravel().tolist() == pytest.approx([0.2, 0.4, 0.6])


def test_it_is_made_anew_in_another_process() -> None:
    vision = make("joints", rotate=30, elastic=20, brightness=0.2)
    again = pickle.loads(pickle.dumps(vision))
    image = draw_blobs(POINTS, *SIZE)
    for found, expected in zip(move(again, image, POINTS, 3), move(vision, image, POINTS, 3), strict=True):
        assert np.array_equal(found, expected)
