"""Classes of pixels lie where they are, whatever the size at which the network looked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from runtime.pictures.frame import Frame
from runtime.tasks.class_map import UNANSWERED, find_classes
from runtime.tasks.grid import OutputGrid


def draw_scores(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_without_a_change_of_size_it_is_the_largest() -> None:
    for shape in ((5, 6, 7), (300, 4, 4), (3, 2, 3, 4)):
        scores = draw_scores(*shape)
        extents = shape[1:]
        found = find_classes(scores, OutputGrid(extents, extents), Frame.whole(extents))
        assert np.array_equal(found, scores.argmax(0))
        assert found.dtype.itemsize == (2 if shape[0] == 300 else 1)
    scores[1] = scores[0]  # of equal ones the first
    assert not (find_classes(scores, OutputGrid((2, 3, 4), (2, 3, 4)), Frame.whole((2, 3, 4))) == 1).any()
    one = draw_scores(1, 4, 4)
    assert np.array_equal(find_classes(one, OutputGrid((4, 4), (4, 4)), Frame.whole((4, 4))), one[0] > 0)


@pytest.mark.parametrize(("own", "read"), [((31, 50), (16, 16)), ((9, 7), (16, 16)), ((16, 40), (16, 16))])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_numbers_are_resampled_as_torch_does(own: tuple[int, int], read: tuple[int, int], stride: int) -> None:
    """Bilinear with antialias, as torch has it; nearest positions would be other classes."""
    extents = (read[0] // stride, read[1] // stride)
    scores = draw_scores(4, *extents)
    found = find_classes(scores, OutputGrid(read, extents, stride), Frame(own, read, read))
    resized = F.interpolate(torch.from_numpy(scores)[None].double(), own, mode="bilinear", antialias=True)[0]
    assert np.array_equal(found, resized.argmax(0).numpy())
    nearest = F.interpolate(torch.from_numpy(scores)[None], own, mode="nearest")[0]
    assert (found != nearest.argmax(0).numpy()).mean() > 0.02


def test_a_volume_is_resampled_along_each_axis() -> None:
    scores = draw_scores(3, 2, 3, 4)
    found = find_classes(scores, OutputGrid((4, 6, 8), (2, 3, 4), 2), Frame.whole((4, 6, 8)))
    witness = F.interpolate(torch.from_numpy(scores)[None].double(), (4, 6, 8), mode="trilinear")[0]
    assert np.array_equal(found, witness.argmax(0).numpy())


def test_each_axis_is_resampled_by_its_own_stride() -> None:
    scores = draw_scores(3, 4, 3, 2)
    found = find_classes(scores, OutputGrid((4, 6, 8), (4, 3, 2), (1, 2, 4)), Frame.whole((4, 6, 8)))
    witness = F.interpolate(torch.from_numpy(scores)[None].double(), (4, 6, 8), mode="trilinear")[0]
    assert np.array_equal(found, witness.argmax(0).numpy())


def test_padding_is_cut_off() -> None:
    scores = draw_scores(3, 8, 8)
    found = find_classes(scores, OutputGrid((8, 8), (8, 8)), Frame((5, 7), (5, 7), (8, 8)))
    assert np.array_equal(found, scores.argmax(0)[:5, :7])
    coarse = find_classes(scores, OutputGrid((16, 16), (8, 8), 2), Frame((11, 13), (11, 13), (16, 16)))
    whole = find_classes(scores, OutputGrid((16, 16), (8, 8), 2), Frame.whole((16, 16)))
    assert np.array_equal(coarse, whole[:11, :13])


def test_pixels_that_no_position_reaches_have_no_class() -> None:
    """A valid network answers for its centre: 4×4 positions on 10×9, three rows over on each side."""
    scores = draw_scores(3, 4, 4)
    grid = OutputGrid((10, 9), (4, 4))
    found = find_classes(scores, grid, Frame.whole((10, 9)))
    assert np.array_equal(found[3:7, 2:6], scores.argmax(0))
    outside = np.ones((10, 9), bool)
    outside[3:7, 2:6] = False
    assert (found[outside] == UNANSWERED).all()
    twice = find_classes(scores, grid, Frame((20, 18), (10, 9), (10, 9)))
    assert np.array_equal(twice == UNANSWERED, np.kron(outside, np.ones((2, 2), bool)))
