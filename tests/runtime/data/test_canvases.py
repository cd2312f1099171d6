"""Canvases hold the real digits, where their labels say, and held-out ones hold held-out digits alone."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.data.dataset import Dataset, Split
from runtime.data.registry import load_data
from runtime.pictures.geometry import NOT_ASKED


def shades(data: Dataset, part: Split) -> np.ndarray:
    """Ink in the 17 shades of the real digits."""
    return np.rint(data.preprocess.restore(part.images) * 16).astype(np.int64)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits")


@pytest.fixture(scope="module")
def maps() -> Dataset:
    return load_data("digit_maps")


@pytest.fixture(scope="module")
def points() -> Dataset:
    return load_data("digit_points")


def test_shapes_and_names(maps: Dataset, points: Dataset) -> None:
    assert (maps.task, maps.classes) == ("maps", ("background", *"0123456789"))
    assert (points.task, points.classes) == ("joints", ("zero", "one", "two"))
    assert maps.training.images.shape == (480, 1, 32, 32)
    assert maps.held_out.labels.shape == (120, 32, 32)
    assert maps.held_out.labels.dtype == np.int64
    assert maps.held_out.images.dtype == np.float32
    assert points.training.images.shape == (480, 3, 64, 64)
    assert points.held_out.labels.shape == (120, 3, 2)
    assert set(np.unique(maps.held_out.labels)) == {*range(11), NOT_ASKED}
    for data in (maps, points):
        assert data.training.images.shape[1:] == data.preprocess.shape
        assert np.abs(data.training.images.mean((0, 2, 3))).max() < 1e-4


def test_they_are_the_same_each_time(maps: Dataset, points: Dataset) -> None:
    for data in (maps, points):
        again = load_data(data.name)
        for part, other in ((data.training, again.training), (data.held_out, again.held_out)):
            assert np.array_equal(part.images, other.images)
            assert np.array_equal(part.labels, other.labels)
    assert not np.array_equal(maps.training.images[:120], maps.held_out.images)


def test_a_pixels_class_is_its_strokes(maps: Dataset) -> None:
    """No ink: background; little: not asked; more: a digit."""
    ink, labels = shades(maps, maps.held_out)[:, 0], maps.held_out.labels
    assert np.array_equal(labels == 0, ink == 0)
    assert np.array_equal(labels == NOT_ASKED, (ink > 0) & (ink < 4))


def find_digits(canvas: np.ndarray, labels: np.ndarray, real: dict[bytes, int]) -> list[int]:
    """The classes of the real digits on a canvas: every 8×8 square that is one, and whose pixels have its class."""
    found = []
    for top in range(25):
        for left in range(25):
            square = np.ascontiguousarray(canvas[top : top + 8, left : left + 8])
            digit = real.get(square.tobytes())
            there = labels[top : top + 8, left : left + 8][square >= 4]
            if digit is not None and (there == digit + 1).all():
                found.append(digit)
    return found


def test_held_out_canvases_hold_held_out_digits_alone(digits: Dataset, maps: Dataset) -> None:
    real = {
        name: {row.tobytes(): int(label) for row, label in zip(shades(digits, part)[:, 0], part.labels, strict=True)}
        for name, part in (("train", digits.training), ("test", digits.held_out))
    }
    for name, part, other in (("test", maps.held_out, "train"), ("train", maps.training, "test")):
        canvases = zip(shades(maps, part)[:12, 0], part.labels[:12], strict=True)
        for canvas, labels in canvases:
            own = find_digits(canvas, labels, real[name])
            assert 3 <= len(own) <= 5
            assert {digit + 1 for digit in own} == set(np.unique(labels)) - {0, NOT_ASKED}
            assert not find_digits(canvas, labels, real[other])


def test_joints_are_the_centres_of_their_digits_ink(points: Dataset) -> None:
    """Each digit has a colour of its own, and so its ink can be told from the others'."""
    values = points.preprocess.restore(points.held_out.images).astype(np.float64)
    for canvas, joints in zip(values[:20], points.held_out.labels[:20], strict=True):
        total = canvas.sum(0)
        rows, columns = np.nonzero(total > 0.01)
        ink = canvas[:, rows, columns]
        _, digit = np.unique(np.rint(1000 * ink / ink.sum(0)), axis=1, return_inverse=True)
        assert digit.max() == 2
        weights = [total[rows, columns] * (digit.ravel() == number) for number in range(3)]
        centres = np.array([[np.average(places, weights=each) for places in (columns, rows)] for each in weights])
        distances = np.hypot(*np.moveaxis(centres[:, None] - joints[None], -1, 0))
        assert distances.min(0).max() < 0.01
        assert sorted(distances.argmin(0)) == [0, 1, 2]


def test_joints_are_in_the_order_of_their_names(digits: Dataset, points: Dataset) -> None:
    """The square around a joint holds a real digit of its class, twice as large, in some colour."""
    real = {label: shades(digits, digits.held_out)[digits.held_out.labels == label, 0] for label in range(3)}
    values = points.preprocess.restore(points.held_out.images).astype(np.float64)
    for canvas, joints in zip(values[:10], points.held_out.labels[:10], strict=True):
        for label, (x, y) in enumerate(joints):
            found = [
                int(label)
                for top in range(max(0, round(y) - 12), min(48, round(y)) + 1)
                for left in range(max(0, round(x) - 12), min(48, round(x)) + 1)
                if _is_one_of(canvas[:, top : top + 16, left : left + 16], real[label])
            ]
            assert found == [label]


def _is_one_of(square: np.ndarray, digits: np.ndarray) -> bool:
    large = (digits / digits.max((1, 2), keepdims=True)).repeat(2, 1).repeat(2, 2)
    return bool((np.abs(square[0] / max(square[0].max(), 1e-9) - large).max((1, 2)) < 1e-3).any())
