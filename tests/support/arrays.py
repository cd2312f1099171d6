"""Arrays in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archspec.arrays import Array


def save_array(path: Path, array: Array) -> Path:
    """The path of a .npy file that holds the array."""
    np.save(path, array)
    return path
