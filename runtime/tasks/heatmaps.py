"""A heatmap for each joint: drawn around a known position, and read back into one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archspec.arrays import Array, Float32Array, Float64Array
from runtime.tasks.grid import OutputGrid

SIGMA = 1.0
"""The standard deviation of a drawn peak, in positions of the heatmap (Newell et al., 2016, section 3.4: 1 pixel)."""


def draw_heatmaps(points: Array, grid: OutputGrid) -> Float32Array:
    """Draw peaks of height 1 at points (N, J, 2), x and y in pixels of the image: (N, J, height, width).

    exp(-d² / (2 SIGMA²)), with d the distance in positions of the heatmap from the point itself, not rounded. A joint
    whose point is NaN is not there: its heatmap is zero.
    """
    rows, columns = (
        grid.from_pixel(points[..., 1 - axis, None].astype(np.float64), axis) - np.arange(extent)
        for axis, extent in enumerate(grid.extents)
    )
    # the exponential of a sum, with as many exponentials as there are rows and columns
    along, across = (np.nan_to_num(np.exp(-(offsets**2) / (2 * SIGMA**2))) for offsets in (rows, columns))
    return np.asarray(along[..., :, None] * across[..., None, :], np.float32)


def find_peaks(heatmaps: Array, grid: OutputGrid) -> Float64Array:
    """Find the highest position of each heatmap, (N, J, height, width) to (N, J, 3): x and y in pixels of the image,
    height.

    As Newell et al. (2016) do, it is moved by a quarter of a position towards the higher of the two neighbours along
    each axis, not at a border, and not between equal ones. Of equal maxima the first counts, row by row.
    """
    count, joints, height, width = heatmaps.shape
    values = heatmaps.reshape(count * joints, height, width).astype(np.float64)
    each = np.arange(len(values))
    row, column = np.unravel_index(values.reshape(len(values), -1).argmax(1), (height, width))
    peaks = values[each, row, column]
    y = row + 0.25 * _lean(values.transpose(0, 2, 1)[each, column], row)
    x = column + 0.25 * _lean(values[each, row], column)
    found = np.stack([grid.to_pixel(x, 1), grid.to_pixel(y, 0), peaks], axis=-1)
    return found.reshape(count, joints, 3)


def _lean(lines: Float64Array, at: npt.NDArray[np.intp]) -> Float64Array:
    """Find -1, 0 or 1 for each line: on which side of the position `at` its neighbour is higher; 0 at an end."""
    each, last = np.arange(len(lines)), lines.shape[1] - 1
    inside = (at > 0) & (at < last)
    before, behind = lines[each, np.maximum(at - 1, 0)], lines[each, np.minimum(at + 1, last)]
    return np.where(inside, np.sign(behind - before), 0.0)
