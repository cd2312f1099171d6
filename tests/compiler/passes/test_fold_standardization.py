"""Standardized weights become kernels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from archspec.ops import BatchNorm, Conv, Op, Relu, Shape
from compiler.graph import Graph
from compiler.onnx_target.pipeline import EXACT
from compiler.passes.base import run_passes
from compiler.passes.fold_standardization import FoldStandardization
from compiler.passes.weight_arrays import LazyArray, WeightArrays
from tests.support.rewriting import FOLDED_TOLERANCE, apply, chain, kinds, stirred

LAYERS: list[tuple[Conv, Shape]] = [
    (Conv(out=6, standardize=True), Shape(4, 7)),
    (Conv(out=6, bias=False, groups=2, standardize=True, weight_norm=True), Shape(4, 7, 7)),
    (Conv(out=6, stride=2, standardize=True, eps=0.1), Shape(4, 5, 6, 7)),
]


@pytest.mark.parametrize(("op", "shape"), LAYERS)
def test_folds_standardization(op: Conv, shape: Shape) -> None:
    after, worst = apply(FoldStandardization(), chain(shape, op, Relu()))
    assert after["n0"].op == Conv(**{**dict(op), "standardize": False, "weight_norm": False, "eps": 1e-6})
    assert "n0.length" not in after.weights
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), LAYERS)
def test_folds_it_and_then_batch_norm(op: Op, shape: Shape) -> None:
    def run_all(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return run_passes(EXACT, graph, weights)[:2]

    after, worst = apply(run_all, chain(shape, op, BatchNorm(), Relu()))
    assert kinds(after) == ["conv", "relu"]
    assert worst < FOLDED_TOLERANCE


def test_it_is_folded_in_float64_when_it_is_asked_for() -> None:
    """Against torch's batch normalization in double precision, as timm standardizes, the kernel is off by one rounding
    at most; with another eps it is not."""
    graph = chain(Shape(8, 5), Conv(out=8, standardize=True, weight_norm=True))
    arrays = stirred(graph)
    _, folded = FoldStandardization()(graph, arrays)
    assert isinstance(folded["n0.weight"], LazyArray)
    given, length = (torch.from_numpy(np.asarray(arrays[f"n0.{name}"])).double() for name in ("weight", "length"))
    for eps, most in ((1e-6, 0), (1e-5, -1)):
        rows = given.reshape(1, 8, -1)
        exact = F.batch_norm(rows, None, None, length * rows.shape[-1] ** -0.5, training=True, eps=eps)
        found, expected = np.asarray(folded["n0.weight"]), exact.view_as(given).float().numpy()
        off = np.abs(found.view(np.int32).astype(np.int64) - expected.view(np.int32)).max()
        assert bool(off <= 1) is (most == 0)


def test_lengths_at_the_wrong_outputs_would_show() -> None:
    """The control: the same comparison with the lengths in another order."""
    graph = chain(Shape(4, 5, 5), Conv(out=6, standardize=True, weight_norm=True))

    def fold_mixed(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return FoldStandardization()(graph, {**weights, "n0.length": np.asarray(weights["n0.length"])[::-1]})

    assert apply(fold_mixed, graph)[1] > 100 * FOLDED_TOLERANCE
