"""Maps and positions move as their image does."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.moving import check_target, mirror_target, move_target
from runtime.pictures.frame import Frame
from runtime.tasks.registry import find_task
from tests.support.blobs import draw_blobs, find_blobs

LABELS, MAPS, JOINTS = map(find_task, ("labels", "maps", "joints"))


def test_targets_come_in_one_form() -> None:
    assert check_target(3, LABELS, (4, 5)) == 3
    found = check_target(np.array([[0, 255], [7, 1]]), MAPS, (2, 2))
    assert (found.dtype.name, found.tolist()) == ("uint8", [[0, 255], [7, 1]])
    points = check_target(np.array([[1.0, 2.0], [np.nan, 3.0]]), JOINTS, (9, 9))
    assert (points.dtype.name, points.tolist()) == ("float32", [[1, 2, 2], [0, 0, 0]])
    kept = check_target(np.array([[1.5, 2, 1], [8, 8, 0]]), JOINTS, (9, 9))
    assert kept.tolist() == [[1.5, 2, 1], [0, 0, 0]]


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="a map of 2×3 does not lie on its image, which is 3×2"):
        check_target(np.zeros((2, 3)), MAPS, (3, 2))
    for number in (-1, 256):
        with pytest.raises(InputError, match=f"a map has the class {number}; expected 0 to 255"):
            check_target(np.full((2, 2), number), MAPS, (2, 2))
    with pytest.raises(InputError, match="positions need rows of x, y and visibility, found 4"):
        check_target(np.zeros(4), JOINTS, (3, 3))


def test_a_cut_moves_all_alike() -> None:
    """The centre of a blob that is drawn is where its position is; the class of a pixel is that of its colour."""
    frame = Frame((40, 50), (40, 50), (36, 60), (-7, 4))
    points = np.array([[20.0, 18, 2], [31, 25, 1]], np.float32)
    picture = np.zeros((2, 36, 60), np.float32)
    picture[:, *frame.find_filled()] = draw_blobs(points, 40, 50)[:, *frame.find_kept()]
    moved = move_target(points, JOINTS, frame)
    assert np.allclose(find_blobs(picture), moved[:, :2], atol=0.01)
    assert moved[:, 2].tolist() == [2, 1]
    classes = np.arange(2000, dtype=np.uint16).reshape(40, 50).astype(np.uint8) % 200
    cut = move_target(classes, MAPS, frame)
    assert cut.shape == (36, 60)
    assert (cut[:33, 4:54] == classes[7:]).all()
    assert (cut[33:] == 255).all()
    assert move_target(np.array(3), LABELS, frame) == 3


@pytest.mark.parametrize("axes", [(1,), (0,), (0, 1)])
def test_a_mirror_is_the_pictures(axes: tuple[int, ...]) -> None:
    """Joints change places in one mirror, and not in two, which are a turn."""
    points = np.array([[12.0, 18, 2], [31, 25, 1], [20, 9, 2]], np.float32)
    picture = np.flip(draw_blobs(points, 40, 50), tuple(1 + axis for axis in axes))
    mirrored = mirror_target(points, JOINTS, (40, 50), axes, None)
    assert np.allclose(find_blobs(picture), mirrored[:, :2], atol=0.01)
    changed = mirror_target(points, JOINTS, (40, 50), axes, (1, 0, 2))
    assert np.array_equal(changed, mirrored[[1, 0, 2]] if len(axes) == 1 else mirrored)
    classes = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert np.array_equal(mirror_target(classes, MAPS, (4, 5), axes, None), np.flip(classes, axes))
    assert mirror_target(np.array(3), LABELS, (4, 5), axes, None) == 3
