"""Three planes through the middle of a volume, side by side in one picture."""

from __future__ import annotations

import numpy as np

from archspec.arrays import Array

GAP = 2
"""The pixels between two planes."""


def lay_slices(values: Array) -> Array:
    """Lay the planes through the middle of values (..., depth, height, width) side by side: (..., rows, columns).

    Seen from below, from the front and from the right-hand side of who lies there: front or up is above, and right is
    on the right. Where no plane is, values are zero.
    """
    depth, height, width = (extent // 2 for extent in values.shape[-3:])
    planes = (
        values[..., depth, ::-1, :],  # rows to the back
        values[..., ::-1, height, :],  # rows downward
        values[..., ::-1, :, width],
    )
    rows = max(plane.shape[-2] for plane in planes)
    columns = sum(plane.shape[-1] for plane in planes) + GAP * (len(planes) - 1)
    sheet, at = np.zeros((*values.shape[:-3], rows, columns), values.dtype), 0
    for plane in planes:
        sheet[..., : plane.shape[-2], at : at + plane.shape[-1]] = plane
        at += plane.shape[-1] + GAP
    return sheet
