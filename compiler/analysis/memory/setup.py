"""The setup for which memory is measured."""

from __future__ import annotations

from typing import NamedTuple

from archspec.precision import FloatPrecision


class TrainingSetup(NamedTuple):
    """A batch, the types of its values, and whose state the optimizer keeps: see `measure_memory`."""

    batch: int = 1
    precision: FloatPrecision | None = None
    optimizer: str = "momentum"


USUAL = TrainingSetup()
"""The setup where none is given."""
