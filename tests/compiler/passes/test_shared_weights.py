"""Passes and shared weights: each use is folded by itself, and what is equal afterwards is one tensor again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archspec.ops import Add, BatchNorm, Conv, Op, Relu, Shape, Shift
from compiler.graph import Graph
from compiler.onnx_target.pipeline import EXACT, FOR_CPU
from compiler.passes.base import Pass, run_passes
from compiler.passes.shared_weights import give_own, list_homes, share_again
from compiler.passes.weight_arrays import WeightArrays
from compiler.torch_target.module import build_module
from tests.support.lowering import difference, run_torch, sample_inputs
from tests.support.rewriting import Drawing, stirred

X = Shape(4, 9, 9)


def two_uses(first: Op, second: Op, *, shared: tuple[str | None, str | None] = (None, None)) -> Graph:
    """One convolution on an input and on its rectified values, each use followed by an operation of its own, whose
    weights may be `shared` too."""
    drawing = Drawing(X)
    kernel = Conv(out=4, bias=False)
    left = drawing.add(first, drawing.add(kernel, "x"))
    right = drawing.add(second, drawing.add(kernel, drawing.add(Relu(), "x")))
    drawing.add(Add(), left, right)
    graph = drawing.graph()
    homes = {"n0": "head.conv", "n3": "head.conv", "n1": shared[0], "n4": shared[1]}
    return replace(graph, nodes={node.id: replace(node, shared=homes.get(node.id)) for node in graph})


def compute_difference(graph: Graph, weights: WeightArrays, after: Graph, arrays: WeightArrays) -> float:
    inputs = sample_inputs(graph, 2)
    expected = run_torch(graph, build_module(graph, weights), inputs)
    return difference(expected, run_torch(after, build_module(after, arrays), inputs))


@pytest.mark.parametrize("passes", [EXACT, FOR_CPU], ids=["exact", "cpu"])
def test_folds_that_are_alike_leave_one_kernel(passes: tuple[Pass, ...]) -> None:
    graph = two_uses(BatchNorm(), BatchNorm(), shared=("head.norm", "head.norm"))
    weights = stirred(graph)
    after, arrays, steps = run_passes(passes, graph, weights)
    assert sorted(arrays) == ["head.conv.bias", "head.conv.weight"]
    assert [node.shared for node in after if node.op.has_kernel] == ["head.conv", "head.conv"]
    assert not steps[-1].left
    assert compute_difference(graph, weights, after, arrays) < 1e-5


@pytest.mark.parametrize("passes", [EXACT, FOR_CPU], ids=["exact", "cpu"])
def test_a_fold_of_one_use_alone_leaves_the_other_as_it_was(passes: tuple[Pass, ...]) -> None:
    graph = two_uses(BatchNorm(), BatchNorm())
    weights = stirred(graph)
    after, arrays, steps = run_passes(passes, graph, weights)
    assert sorted(arrays) == ["head.conv.bias", "head.conv.weight", "n3.bias", "n3.weight"]
    assert [(note.node, note.text) for note in steps[-1].left] == [
        ("n3", "its weights are not those of the others any more")
    ]
    assert compute_difference(graph, weights, after, arrays) < 1e-5
    wrong = {**arrays, "n3.weight": arrays["head.conv.weight"], "n3.bias": arrays["head.conv.bias"]}
    assert compute_difference(graph, weights, after, wrong) > 1e-2  # as if both had been folded into one kernel


def test_a_use_without_a_fold_keeps_the_kernel() -> None:
    graph = two_uses(Relu(), BatchNorm())
    weights = stirred(graph)
    after, arrays, _ = run_passes(EXACT, graph, weights)
    np.testing.assert_array_equal(np.asarray(arrays["head.conv.weight"]), np.asarray(weights["head.conv.weight"]))
    assert "n3.weight" in arrays
    assert compute_difference(graph, weights, after, arrays) < 1e-5


def test_equal_numbers_fold_to_one_kernel_though_they_lie_in_two_tensors() -> None:
    after, arrays, _ = run_passes(EXACT, *_with_terms(two_uses(*[Shift(trainable=True, per="channel")] * 2), 0.5, 0.5))
    assert sorted(arrays) == ["head.conv.bias", "head.conv.weight"]
    after, arrays, _ = run_passes(EXACT, *_with_terms(two_uses(*[Shift(trainable=True, per="channel")] * 2), 0.5, -0.5))
    assert sorted(arrays) == ["head.conv.bias", "head.conv.weight", "n3.bias", "n3.weight"]
    assert after["n3"].shared is None


def _with_terms(graph: Graph, *terms: float) -> tuple[Graph, WeightArrays]:
    weights = dict(stirred(graph))
    for id, term in zip(("n1", "n4"), terms, strict=True):
        weights[f"{id}.term"] = np.full(4, term, np.float32)
    return graph, weights


def test_zeros_of_two_signs_are_not_the_same_weights() -> None:
    graph = two_uses(Relu(), Relu())
    own, arrays = give_own(graph, stirred(graph))
    zeros = {name: np.zeros_like(np.asarray(array)) for name, array in arrays.items()}
    after, _ = share_again(own, zeros | {"n3.weight": -zeros["n3.weight"]}, list_homes(graph))
    assert [after[id].shared for id in ("n0", "n3")] == ["head.conv", None]
    after, _ = share_again(own, zeros, list_homes(graph))
    assert [after[id].shared for id in ("n0", "n3")] == ["head.conv", "head.conv"]


def test_own_weights_are_the_same_arrays() -> None:
    graph = two_uses(Relu(), Relu())
    weights = stirred(graph)
    own, arrays = give_own(graph, weights)
    assert arrays["n0.weight"] is arrays["n3.weight"] is weights["head.conv.weight"]
    assert not list_homes(own)


def test_what_a_pass_puts_beside_a_node_is_shared_beside_it() -> None:
    drawing = Drawing(Shape(96, 8, 8))
    narrow = Conv(out=8)
    drawing.add(Add(), drawing.add(narrow, "x"), drawing.add(narrow, drawing.add(Relu(), "x")))
    graph = drawing.graph()
    nodes = {node.id: replace(node, shared="c" if node.op is narrow else None) for node in graph}
    graph = replace(graph, nodes=nodes)
    weights = stirred(graph)
    after, arrays, _ = run_passes(FOR_CPU, graph, weights)
    assert sorted(arrays) == ["c.bias", "c.rows.weight", "c.weight"]
    assert len(after) == len(graph) + 2
