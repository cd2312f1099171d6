"""Axes by their numbers: 0 for the channels, from 1 on those of space, and negative ones from the last."""

from __future__ import annotations

from archspec.ops.values import OpError, Shape


def find_axis(axis: int, x: Shape, kind: str) -> int:
    """Find an axis of a shape, counted from 0. Raises OpError where the shape has none of that number."""
    if not -len(x) <= axis < len(x):
        known = "axis 0 alone, its channels" if len(x) == 1 else f"the axes 0 (its channels) to {x.rank}"
        raise OpError(f"{kind} along axis {axis}: {x} has {known}", "axis")
    return axis % len(x)


def name_places(axis: int, x: Shape) -> str:
    """Name what lies along an axis: `the 8 channels`, or `the 13 positions along axis 1`."""
    what = "channels" if axis == 0 else f"positions along axis {axis}"
    return f"the {x[axis]} {what} of {x}"


def resolve_axis(axis: int, x: Shape) -> int:
    """Count an axis from 0, where the shape has it."""
    return axis + len(x) if -len(x) <= axis < 0 else axis


def require_map(word: str, x: Shape) -> None:
    """Refuse what has no axis of space, or more than three. Raises OpError."""
    if not 1 <= x.rank <= 3:
        raise OpError(f"{word} needs one to three spatial axes, found the shape {x}")
