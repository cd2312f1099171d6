"""Near copies are found in any order, and lie in one part."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from archspec.arrays import Array
from runtime.data.registry import load_data
from runtime.int8.folds import Sketches, deal


def group(images: Array, batch: int = 7) -> list[int]:
    sketches = Sketches(images.shape[1:])
    for start in range(0, len(images), batch):
        sketches.add(images[start : start + batch].astype(np.float32))
    return sketches.group()


def draw(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def draw_frames(scenes: int, frames: int) -> tuple[Array, Array]:
    """Frames, and which scene each is of; scenes differ in brightness."""
    scene = draw(0, scenes, 1, 3, 12, 12) * np.exp(draw(1, scenes, 1, 1, 1, 1))
    images = scene + 0.02 * draw(2, scenes, frames, 3, 12, 12)
    return images.reshape(-1, 3, 12, 12), np.repeat(np.arange(scenes), frames)


@pytest.mark.parametrize("mean", [0.0, 5.0])
@pytest.mark.parametrize("order", ["in order", "shuffled", "in turn"])
def test_frames_of_a_scene_are_a_group(order: str, mean: float) -> None:
    images, scenes = draw_frames(8, 10)
    places = {
        "in order": np.arange(80),
        "shuffled": np.random.default_rng(3).permutation(80),
        "in turn": np.arange(80).reshape(8, 10).T.ravel(),
    }[order]
    groups = group(images[places] + mean)
    assert len(set(zip(groups, scenes[places].tolist(), strict=True))) == len(set(groups)) == 8
    parts = deal(groups, 4)
    assert [len(part) for part in parts] == [20] * 4
    found = [set(scenes[places][part].tolist()) for part in parts]
    assert sum(map(len, found)) == len(set.union(*found)) == 8


def test_a_scene_that_moves_is_a_group() -> None:
    """Its first and last frames are no copies of each other."""
    images = []
    for seed in range(5):
        steps = draw(seed, 20, 3, 12, 12)
        frame = steps[0]
        for step in steps:
            frame = 0.96 * frame + 0.28 * step
            images.append(frame)
    assert group(np.stack(images)) == np.repeat(np.arange(0, 100, 20), 20).tolist()
    assert len(set(group(np.stack(images)[::10]))) == 10  # the control


@pytest.mark.parametrize("shape", [(1,), (3,), (3, 12, 12), (1, 100, 100)])
def test_independent_images_are_no_copies(shape: tuple[int, ...]) -> None:
    images = draw(0, 200, *shape)
    images[3::4] *= 100
    assert group(images) == list(range(200))
    assert group(np.repeat(images[:50], 4, axis=0)) == np.repeat(np.arange(0, 200, 4), 4).tolist()


def test_few_lit_pixels_are_told_apart() -> None:
    images = np.zeros((50, 1, 48 * 48))
    images[np.arange(50), 0, np.random.default_rng(0).permutation(48 * 48)[:50]] = 1
    assert group(images) == list(range(50))


def test_digits_are_mostly_different() -> None:
    images = load_data("digits").training.images[:1000]
    assert 950 < len(set(group(images))) < 1000


def test_parts_are_of_one_size_and_the_same_each_time() -> None:
    for count in (8, 9, 30, 1001):
        parts = deal(range(count), 4)
        assert sorted(place for part in parts for place in part) == list(range(count))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert parts == deal(range(count), 4)
    bright = Counter(place % 4 for place in deal(range(1000), 4)[0])
    assert all(40 < found < 85 for found in bright.values())
    assert deal([0, 0, 2, 0], 4) == [[0, 1, 3], [2]]
    assert deal([0, 0, 0], 4) == [[0, 1, 2]]
