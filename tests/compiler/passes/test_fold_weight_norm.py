"""Directions and lengths become kernels."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.errors import ArchspecError
from archspec.ops import BatchNorm, Conv, ConvTranspose, Linear, Op, Relu, Shape
from compiler.graph import Graph
from compiler.onnx_target.pipeline import EXACT
from compiler.passes.base import run_passes
from compiler.passes.fold_weight_norm import FoldWeightNorm
from compiler.passes.weight_arrays import LazyArray, WeightArrays
from tests.support.rewriting import FOLDED_TOLERANCE, apply, chain, kinds, stirred

LAYERS: list[tuple[Op, Shape]] = [
    (Conv(out=6, weight_norm=True), Shape(4, 7)),
    (Conv(out=6, bias=False, groups=2, weight_norm=True), Shape(4, 7, 7)),
    (Conv(out=6, stride=2, weight_norm=True), Shape(4, 5, 6, 7)),
    (ConvTranspose(out=6, weight_norm=True), Shape(4, 5)),
    (ConvTranspose(out=6, groups=2, bias=False, weight_norm=True), Shape(4, 5, 5)),
    (ConvTranspose(out=6, kernel=3, groups=2, weight_norm=True), Shape(4, 3, 4, 5)),
    (Linear(out=6, weight_norm=True), Shape(4)),
    (Linear(out=6, bias=False, weight_norm=True), Shape(4)),
]


@pytest.mark.parametrize(("op", "shape"), LAYERS)
def test_folds_weight_norm(op: Op, shape: Shape) -> None:
    after, worst = apply(FoldWeightNorm(), chain(shape, op, Relu()))
    assert after["n0"].op == op.model_copy(update={"weight_norm": False})
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), LAYERS)
def test_folds_weight_norm_and_then_batch_norm(op: Op, shape: Shape) -> None:
    def run_all(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return run_passes(EXACT, graph, weights)[:2]

    after, worst = apply(run_all, chain(shape, op, BatchNorm(), Relu()))
    assert kinds(after) == [op.kind, "relu"]
    assert worst < FOLDED_TOLERANCE


def test_weight_norm_is_folded_in_float64_and_when_it_is_asked_for() -> None:
    """Against the exact value, the kernel is off by one rounding at most."""
    graph = chain(Shape(8, 5), Conv(out=8, weight_norm=True))
    arrays = stirred(graph)
    _, folded = FoldWeightNorm()(graph, arrays)
    assert isinstance(folded["n0.weight"], LazyArray)
    direction, length = (np.asarray(arrays[f"n0.{name}"], np.float64) for name in ("weight", "length"))
    unit = direction / np.linalg.norm(direction.reshape(8, -1), axis=1)[:, None, None]
    np.testing.assert_array_max_ulp(
        np.asarray(folded["n0.weight"]), (length[:, None, None] * unit).astype(np.float32), maxulp=1
    )


def test_lengths_at_the_wrong_outputs_would_show() -> None:
    """The control: the same comparison with the lengths in another order."""
    graph = chain(Shape(4, 5, 5), ConvTranspose(out=6, groups=2, weight_norm=True))

    def fold_mixed(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return FoldWeightNorm()(graph, {**weights, "n0.length": np.asarray(weights["n0.length"])[::-1]})

    assert apply(fold_mixed, graph)[1] > 100 * FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), LAYERS)
def test_a_direction_of_length_zero_is_refused(op: Op, shape: Shape) -> None:
    """Where torch divides by zero."""
    graph = chain(shape, op)
    arrays = {name: np.array(array) for name, array in stirred(graph).items()}
    arrays["n0.weight"][:] = 0
    _, folded = FoldWeightNorm()(graph, arrays)
    with pytest.raises(ArchspecError, match=r"n0\.weight has 6 of 6 directions of length zero"):
        np.asarray(folded["n0.weight"])
