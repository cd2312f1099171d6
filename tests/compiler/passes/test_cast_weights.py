"""Weights in a narrower type: the nearest numbers, and what is lost is told."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
import torch

from archspec.errors import ArchspecError
from archspec.ops import Linear, Shape
from compiler.passes.base import Journal
from compiler.passes.cast_weights import CastWeights, cast
from tests.support.lowering import graph_of

HALF, BRAIN = np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)
VALUES = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def run(values: np.ndarray, dtype: np.dtype) -> tuple[np.ndarray, Journal]:
    graph, journal = graph_of(Linear(out=5, bias=False), Shape(4)), Journal()
    after, arrays = CastWeights(dtype).apply(graph, {"op.weight": values}, journal)
    assert after is graph
    return np.asarray(arrays["op.weight"]), journal


@pytest.mark.parametrize(("dtype", "type"), [(HALF, torch.float16), (BRAIN, torch.bfloat16)])
def test_weights_are_the_nearest_numbers(dtype: np.dtype, type: torch.dtype) -> None:
    found, journal = run(VALUES, dtype)
    assert found.dtype == dtype
    assert found.astype(np.float32).tolist() == torch.from_numpy(VALUES).to(type).float().tolist()
    assert journal.left == []


def test_what_the_range_loses_is_told() -> None:
    small = np.full((5, 4), 1e-8, np.float32)
    _, journal = run(small, HALF)
    ((node, text),) = [(note.node, note.text) for note in journal.left]
    assert node == "op"
    assert text == "weight is below the range of float16: 100.0% of it is lost, 20 became zero"
    assert run(small, BRAIN)[1].left == []


def test_what_becomes_infinite_is_refused() -> None:
    with pytest.raises(ArchspecError, match=r"w holds 7e\+04, which is infinite in float16: export in a precision"):
        cast(np.array([7e4], np.float32), HALF, "w")
    with pytest.raises(ArchspecError, match=r"w holds 1e\+39, which is infinite in float32$"):
        cast(np.array([1e39]), np.dtype(np.float32), "w")


def test_zeros_lose_nothing() -> None:
    assert run(np.zeros((5, 4), np.float32), HALF)[1].left == []
