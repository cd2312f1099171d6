"""People in pictures: where their joints lie in what is cut out, and which joints change places in a mirror."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.poses import PosedPictures, bound_pose, find_counterparts
from runtime.data.stored import StoredImage
from tests.support.folders import draw_pixels, save_pixels

POSE = np.array([[3, 4, 2], [10, 8, 1], [0, 0, 0]], np.float32)


def test_joints_stay_at_their_pixels_when_a_person_is_cut_out(tmp_path: Path) -> None:
    """The pixel at a joint is the same in the cut as in the whole picture."""
    pixels = draw_pixels((20, 30))
    save_pixels(tmp_path / "a.png", pixels)
    whole = PosedPictures(tmp_path, ["a.png"], poses=POSE[None])
    assert whole.peek(0) == StoredImage(1, (20, 30))
    assert np.array_equal(whole[0][1], POSE)
    assert np.array_equal(whole.read_target(0), POSE)
    cut = PosedPictures(tmp_path, ["a.png"], poses=POSE[None], boxes=np.array([[2.0, 3.0, 18.0, 11.0]]))
    image, pose = cut[0]
    assert image.shape == (1, 10, 20), "an eighth more on each side: 0 to 20, and 2 to 12"
    assert np.array_equal(image[0], pixels[2:12, 0:20])
    for (x, y, seen), (own_x, own_y, _) in zip(pose, POSE, strict=True):
        if seen:
            assert image[0, int(y), int(x)] == pixels[int(own_y), int(own_x)]
    assert np.array_equal(pose[:, 2], POSE[:, 2])
    assert np.array_equal(cut.read_target(0), pose)
    assert cut.peek(0) == StoredImage(1, (10, 20))


def test_a_cut_ends_at_the_picture(tmp_path: Path) -> None:
    save_pixels(tmp_path / "a.png", draw_pixels((20, 30)))
    for box, shape in (([-5.0, -5.0, 40.0, 40.0], (20, 30)), ([28.0, 18.0, 60.0, 60.0], (8, 6))):
        cut = PosedPictures(tmp_path, ["a.png"], poses=POSE[None], boxes=np.array([box]))
        assert cut[0][0].shape[1:] == shape == cut.peek(0).extents
    beside = PosedPictures(tmp_path, ["a.png"], poses=POSE[None], boxes=np.array([[100.0, 100.0, 110.0, 110.0]]))
    for read in (beside.peek, beside.__getitem__):
        with pytest.raises(InputError, match=r"a\.png is cut at a box that lies beside it"):
            read(0)


def test_a_box_around_joints_holds_their_pixels() -> None:
    assert bound_pose(POSE) == (3, 4, 11, 9)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["nose", "left_eye", "right_eye"], (0, 2, 1)),
        (["Left Hip", "RIGHT hip"], (1, 0)),
        (["elbow.right", "top", "elbow.left"], (2, 1, 0)),
        (["left_eye", "nose"], None),
        (["one", "two"], None),
        ([], None),
    ],
)
def test_left_and_right_are_counterparts(names: list[str], found: tuple[int, ...] | None) -> None:
    assert find_counterparts(names) == found


def test_cocos_own_joints_have_the_flip_idx_that_others_write() -> None:
    """As ultralytics' coco-pose.yaml has it."""
    sides = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    names = ["nose", *(f"{side}_{part}" for part in sides for side in ("left", "right"))]
    assert find_counterparts(names) == (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
