"""A pass that rounds weights to the type in which a model stores them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.passes.base import Journal, Pass
from compiler.passes.weight_arrays import LazyArray, WeightArray, WeightArrays

MAX_LOSS = 2**-8
"""The largest share of a tensor's norm that a cast may lose: what the eight binary digits of bf16 lose at most."""


@dataclass(frozen=True)
class CastWeights(Pass):
    """Every weight becomes the nearest number of the model's type.

    It comes last, so that the passes before it compute with what was trained. The tensors of which the type's range
    loses more than its digits do are told. Raises ArchspecError where a number is too large for the type.
    """

    dtype: np.dtype[Any]

    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        arrays = {}
        for name, array in weights.items():
            _tell_loss(name, np.asarray(array), self.dtype, journal)
            arrays[name] = LazyArray(array.shape, self.dtype, partial(_compute, array, self.dtype, name))
        return graph, arrays


def cast(values: NDArray[Any], dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Round numbers to the nearest of another type. Raises ArchspecError where one becomes, or is, infinite or NaN.

    A session casts its inputs by `runtime.session.array_file.cast`: it loads no pass, takes whole numbers and passes on
    infinite ones, and what helps there is another export, not other weights.
    """
    with np.errstate(over="ignore", under="ignore"):
        rounded = values.astype(dtype)
    if not np.isfinite(rounded).all():
        largest = np.abs(values).max()
        wider = ": export in a precision with the range of fp32 (bf16 or fp32), or train with smaller weights"
        advice = wider if dtype.itemsize < 4 else ""
        raise ArchspecError(f"{name} holds {largest:.3g}, which is infinite in {dtype}{advice}")
    return rounded


def _compute(array: WeightArray, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    return cast(np.asarray(array), dtype, name)


def _tell_loss(name: str, array: NDArray[Any], dtype: np.dtype[Any], journal: Journal) -> None:
    rounded = cast(array, dtype, name)
    norm = _measure(array)
    loss = _measure(array - rounded.astype(array.dtype)) / norm if norm else 0.0
    if loss > MAX_LOSS:
        zeros = int(np.count_nonzero(array) - np.count_nonzero(rounded))
        node, _, short = name.rpartition(".")
        journal.leave(node, f"{short} is below the range of {dtype}: {loss:.1%} of it is lost, {zeros:,} became zero")


def _measure(array: NDArray[Any]) -> float:
    """The norm, also where the squares of the numbers are beyond the range of their type."""
    largest = float(np.abs(array).max(initial=0))
    return largest * float(np.linalg.norm(array / largest)) if largest else 0.0
