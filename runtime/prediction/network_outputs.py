"""The outputs of a model for images, in batches of a size that it takes."""

from __future__ import annotations

from math import prod

import numpy as np

from archspec.arrays import Array
from archspec.errors import ModelError
from runtime.prediction.reader import only_input
from runtime.session.array_file import cast
from runtime.session.session import Session

MAX_PADDED = 1 << 28
"""The largest number of values in a batch that is filled up for a model that takes no smaller one."""


def compute_outputs(session: Session, images: Array) -> dict[str, Array]:
    """Compute what `run_images` does, in float64."""
    return {name: rows.astype(np.float64) for name, rows in run_images(session, images).items()}


def run_images(session: Session, images: Array, batch: int = 32) -> dict[str, Array]:
    """Compute all outputs for images (N, C, *extents), by name, (N, ...) in the types that the model gives them in; in
    runs of `batch`, or of the only batch that the file takes.

    Raises ModelError where the model has more than one input, or gives something else than finite rows, and InputError
    where it does not take such numbers.
    """
    name, dtype = only_input(session)
    size = session.fixed_batch or batch
    images = images if images.dtype == dtype else cast(images, dtype, "an image")
    parts: dict[str, list[Array]] = {}
    for start in range(0, len(images), size):
        part = images[start : start + size]
        padded = _fill(session, part) if session.fixed_batch else part
        for output, rows in session.run({name: padded}).items():
            if rows.shape[:1] != padded.shape[:1]:
                raise ModelError(f"{session.path} gives '{output}' {rows.shape} for {len(padded)} images, no row each")
            parts.setdefault(output, []).append(rows[: len(part)])
    found = {output: np.concatenate(rows) for output, rows in parts.items()}
    for output, rows in found.items():
        if rows.dtype.kind not in "biuf":
            raise ModelError(f"{session.path} gives '{output}' in {rows.dtype}, which are no numbers")
        if not np.isfinite(rows).all():
            raise ModelError(f"{session.path} gives infinite numbers or NaN in '{output}'")
    return found


def _fill(session: Session, images: Array) -> Array:
    """Give as many images as the file takes at once, the last one repeated."""
    missing = (session.fixed_batch or 0) - len(images)
    if missing * prod(images.shape[1:]) > MAX_PADDED:
        raise ModelError(f"{session.path} takes batches of {session.fixed_batch} alone, which are too large to fill up")
    return np.concatenate([images, np.repeat(images[-1:], missing, axis=0)]) if missing else images
