"""Joints in a mirror, where left and right change places."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from archspec.arrays import Array
from archspec.errors import InputError


def check_flip_idx(flip_idx: Sequence[int], joints: Sequence[str]) -> None:
    """Raises InputError unless it gives, for each of the joints, the number of the one that it becomes in a mirror, and
    so back."""
    count = len(joints)
    if sorted(flip_idx) != list(range(count)):
        raise InputError(
            f"flip_idx must name each of the {count} joints once, by 0 to {count - 1}; found {list(flip_idx)}"
        )
    for joint, other in enumerate(flip_idx):
        if flip_idx[other] != joint:
            third = joints[flip_idx[other]]
            raise InputError(
                f"flip_idx turns '{joints[joint]}' into '{joints[other]}' and that into '{third}'; "
                "in a mirror two joints change places, or one stays"
            )


def changes_places(axes: Collection[int]) -> bool:
    """Tell whether left and right change places in mirrors around these axes: around two of them it is a turn by half a
    circle, in which each stays what it is."""
    return len(axes) % 2 == 1


def mirror_points(points: Array, image: Sequence[int], axes: Collection[int], flip_idx: Sequence[int]) -> Array:
    """Mirror positions (..., J, 2 or 3), x and y in pixels of an image and perhaps their visibility.

    `image` are its height and width, `axes` of these two, 0 and 1, those along which it is turned around.
    """
    mirrored = points.copy()
    for axis in axes:
        column = 1 - axis
        mirrored[..., column] = image[axis] - 1 - points[..., column]
    return mirrored[..., list(flip_idx), :] if changes_places(axes) else mirrored
