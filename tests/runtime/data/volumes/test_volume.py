"""A volume's grid: what its file's axes are turned to, and whether labels lie on it."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from archspec.errors import InputError
from runtime.data.volumes.volume import Orientation, Space, Volume, check_extents, check_same_grid, mirror
from tests.support.phantoms import draw_phantom


def test_every_orientation_is_undone() -> None:
    values = draw_phantom((2, 3, 4))
    for axes, flipped in product(permutations(range(3)), product((False, True), repeat=3)):
        orientation = Orientation(axes, flipped)
        turned = orientation.from_file(values)
        assert turned.shape == tuple(values.shape[axis] for axis in axes)
        np.testing.assert_array_equal(orientation.to_file(turned), values)
        several = np.stack([values, -values])
        np.testing.assert_array_equal(orientation.from_file(several)[1], -turned)


def test_a_flip_is_seen() -> None:
    values = draw_phantom((2, 3, 4))
    turned = Orientation((2, 0, 1), (False, True, False)).from_file(values)
    np.testing.assert_array_equal(turned, values.transpose(2, 0, 1)[:, ::-1])
    assert not np.array_equal(turned, values.transpose(2, 0, 1)), "control"


@pytest.mark.parametrize(
    ("extents", "channels", "message"),
    [
        ((4, 5), 1, "is 4 by 5: expected a volume, of three axes"),
        ((4, 0, 5), 1, "expected a volume"),
        ((10**9, 1, 1), 1, "too large a volume, 1,000,000,000 by 1 by 1: read are at most 536,870,912 values"),
        ((1024, 1024, 1024), 1, "too large"),
        ((512, 512, 512), 5, "too large a volume, 512 by 512 by 512 with 5 channels"),
        ((8, 8, 8), 2000, "too large"),
    ],
)
def test_extents_are_bounded(extents: tuple[int, ...], channels: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_extents("x.nii", extents, channels)


def place(x: float, extents: tuple[int, ...] = (4, 4, 4)) -> Volume:
    affine = np.diag([0.0, 0, 0, 1])
    affine[[2, 1, 0], [0, 1, 2]] = 2.0
    affine[0, 3] = x
    return Volume(f"{x}.nii", np.zeros((1, *extents)), Space(spacing=(2.0, 2.0, 2.0), affine=affine))


def test_labels_lie_on_their_image() -> None:
    check_same_grid(place(0), place(0.9))
    check_same_grid(place(0), Volume("y.npy", np.zeros((1, 4, 4, 4))))
    with pytest.raises(InputError, match=r"1.1.nii lies up to 0.55 voxels from 0.nii"):
        check_same_grid(place(0), place(1.1))
    with pytest.raises(InputError, match=r"is 4 by 5 by 4 voxels .* and 0.nii, whose labels it holds, is 4 by 4 by 4"):
        check_same_grid(place(0), place(0, (4, 5, 4)))


@pytest.mark.parametrize("extent", [1, 2, 5, 9])
def test_mirror_is_numpys_reflection(extent: int) -> None:
    wanted = np.pad(np.arange(extent), 23, mode="reflect") if extent > 1 else np.zeros(47, np.intp)
    np.testing.assert_array_equal(mirror(np.arange(-23, extent + 23), extent), wanted)
