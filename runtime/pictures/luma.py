"""The one gray that a colour becomes."""

from __future__ import annotations

import numpy as np

from archspec.arrays import Array

LUMA = (19595, 38470, 7471)
"""The luma of ITU-R BT.601 in the parts of 65,536 that Pillow takes; they add up to all of them."""


def find_luma(colours: Array) -> Array:
    """Compute the luma of colours (..., 3), red first, in their own type; levels are rounded to the nearest, as Pillow
    does."""
    if not np.issubdtype(colours.dtype, np.integer):
        return np.asarray(colours @ (np.array(LUMA) / (1 << 16)).astype(colours.dtype))
    red, green, blue = (colours[..., number].astype(np.uint32) * part for number, part in enumerate(LUMA))
    return ((red + green + blue + (1 << 15)) >> 16).astype(colours.dtype)
