"""Each pass keeps what the network computes at inference, and says what it may not touch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError, Place
from archspec.ops import (
    Add,
    BatchNorm,
    BatchRenorm,
    Conv,
    ConvTranspose,
    Dropout,
    GhostBatchNorm,
    Input,
    Linear,
    Mean,
    Op,
    Relu,
    Scale,
    Shake,
    ShakeDrop,
    Shape,
    Shift,
    StochasticDepth,
)
from compiler.graph import Graph, Node, Source
from compiler.onnx_target.model import PASSES
from compiler.passes.base import Arrays, Journal, LazyArray, Pass, run_passes
from compiler.passes.fold_batch_norm import FoldBatchNorm
from compiler.passes.fold_weight_norm import FoldWeightNorm
from compiler.passes.take_expectation import TakeExpectation
from compiler.torch_target.module import load_weights
from compiler.verify import GraphError, verify
from tests.lowering import difference, run_torch, sample_inputs, stir

FOLDED_TOLERANCE = 1e-5


def chain(shape: Shape, *ops: Op) -> Graph:
    source = Source(Place("test.yaml"))
    nodes = [Node("x", Input(dims=tuple(shape)), (), shape, source)]
    for i, op in enumerate(ops):
        nodes.append(Node(f"n{i}", op, (nodes[-1].id,), op.infer(nodes[-1].shape), source))
    return Graph("chain", {node.id: node for node in nodes}, {"y": nodes[-1].id})


def apply(step: Callable[[Graph, Arrays], tuple[Graph, Arrays]], graph: Graph, seed: int = 0) -> tuple[Graph, float]:
    """The graph behind the pass, and how far its results are from those before."""
    module = stir(to_torch(graph), seed)
    arrays: Arrays = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    after, weights = step(graph, arrays)
    other = to_torch(after)
    load_weights(other, after, weights)
    inputs = sample_inputs(graph, 3)
    return after, difference(run_torch(graph, module, inputs), run_torch(after, other, inputs))


def all_passes(graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
    return run_passes(PASSES, graph, weights)[:2]


FOLDABLE = [
    (Conv(out=6), Shape(4, 7)),
    (Conv(out=6, bias=False, groups=2), Shape(4, 7, 7)),
    (Conv(out=6, stride=2), Shape(4, 5, 6, 7)),
    (ConvTranspose(out=6), Shape(4, 5)),
    (ConvTranspose(out=6, groups=2, bias=False), Shape(4, 5, 5)),
    (ConvTranspose(out=6, kernel=3, groups=2), Shape(4, 3, 4, 5)),
    (Linear(out=6), Shape(4)),
    (Linear(out=6, bias=False), Shape(4)),
]


@pytest.mark.parametrize(("op", "shape"), FOLDABLE)
@pytest.mark.parametrize("norm", [BatchNorm(), BatchNorm(affine=False, eps=0.1)])
def test_folds_batch_norm(op: Op, shape: Shape, norm: BatchNorm) -> None:
    after, worst = apply(FoldBatchNorm(), chain(shape, op, norm, Relu()))
    assert [node.op.kind for node in after] == ["input", op.kind, "relu"]
    assert worst < FOLDED_TOLERANCE


def test_a_wrong_fold_would_show() -> None:
    """The control: the same comparison with the epsilon left out."""
    graph = chain(Shape(4, 7), Conv(out=6), BatchNorm(eps=0.1))
    module = stir(to_torch(graph))
    arrays = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    arrays["n1.running_var"] += 0.1  # as if eps had been added twice
    after, weights = FoldBatchNorm()(graph, arrays)
    other = to_torch(after)
    load_weights(other, after, weights)
    inputs = sample_inputs(graph, 3)
    assert difference(run_torch(graph, module, inputs), run_torch(after, other, inputs)) > 10 * FOLDED_TOLERANCE


def test_leaves_a_batch_norm_whose_convolution_has_another_reader() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    source = Source(Place("test.yaml"))
    add = Node("sum", Add(), ("n0", "n1"), Shape(4, 7), source)
    graph = Graph("two_readers", {**graph.nodes, "sum": add}, {"y": "sum"})
    after, worst = apply(FoldBatchNorm(), graph)
    assert "n1" in after.nodes
    assert worst == 0


def test_leaves_a_batch_norm_whose_convolution_is_an_output() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    after, worst = apply(FoldBatchNorm(), Graph("two_outputs", graph.nodes, {"y": "n1", "z": "n0"}))
    assert "n1" in after.nodes
    assert worst == 0


def test_a_shared_reading_twice_is_not_folded() -> None:
    graph = chain(Shape(4, 7), BatchNorm(), Conv(out=4))
    after, worst = apply(FoldBatchNorm(), graph)
    assert after.nodes.keys() == graph.nodes.keys()
    assert worst == 0


def test_takes_the_expectation() -> None:
    graph = chain(Shape(4, 7), Dropout(rate=0.3), StochasticDepth(survival=0.6), Scale(value=1.0), Dropout(rate=0.2))
    after, worst = apply(TakeExpectation(), graph)
    assert [node.op for node in after if node.id != "x"] == [Scale(value=0.6)]
    assert worst < 1e-6


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (ShakeDrop(survival=0.6), [Scale(value=0.6)]),
        (ShakeDrop(survival=0), [Scale(value=0)]),
        (ShakeDrop(survival=1), []),
        (StochasticDepth(survival=0.6, draw="batch"), [Scale(value=0.6)]),
        (StochasticDepth(survival=0.6, rescale=True), []),
        (Shift(), []),
        (Shift(value=0.5), [Shift(value=0.5)]),
        (Shift(trainable=True, per="channel"), [Shift(trainable=True, per="channel")]),
        (Scale(trainable=True), [Scale(trainable=True)]),
        (GhostBatchNorm(start=0.5, eps=0.1, momentum=0.2), [BatchNorm(start=0.5, eps=0.1, momentum=0.2)]),
        (BatchRenorm(affine=False, momentum=0.3), [BatchNorm(affine=False, momentum=0.3)]),
    ],
    ids=str,
)
def test_each_operation_has_its_expected_form(op: Op, expected: list[Op]) -> None:
    """Weights keep their names: `apply` loads them into the graph behind the pass."""
    after, worst = apply(TakeExpectation(), chain(Shape(4, 7), op, Relu()))
    assert [node.op for node in after][1:-1] == expected
    assert worst < 1e-6


def test_shake_is_the_mean() -> None:
    source, shape = Source(Place("test.yaml")), Shape(4, 7)
    nodes = [Node(name, Input(dims=tuple(shape)), (), shape, source) for name in ("x0", "x1", "x2")]
    nodes.append(Node("n0", Shake(), ("x0", "x1", "x2"), shape, source))
    graph = Graph("shake", {node.id: node for node in nodes}, {"y": "n0"})
    after, worst = apply(TakeExpectation(), graph)
    assert after["n0"].op == Mean()
    assert after["n0"].inputs == graph["n0"].inputs
    assert worst < 1e-6


@pytest.mark.parametrize("norm", [GhostBatchNorm(), BatchRenorm(eps=0.1)])
def test_other_batch_normalizations_are_folded_too(norm: BatchNorm) -> None:
    after, worst = apply(all_passes, chain(Shape(4, 7), Conv(out=6, bias=False), norm, Relu()))
    assert [node.op.kind for node in after] == ["input", "conv", "relu"]
    assert worst < FOLDED_TOLERANCE


WEIGHT_NORMALIZED = [(op.model_copy(update={"weight_norm": True}), shape) for op, shape in FOLDABLE]


@pytest.mark.parametrize(("op", "shape"), WEIGHT_NORMALIZED)
def test_folds_weight_norm(op: Op, shape: Shape) -> None:
    after, worst = apply(FoldWeightNorm(), chain(shape, op, Relu()))
    assert after["n0"].op == op.model_copy(update={"weight_norm": False})
    assert worst < FOLDED_TOLERANCE


@pytest.mark.parametrize(("op", "shape"), WEIGHT_NORMALIZED)
def test_folds_weight_norm_and_then_batch_norm(op: Op, shape: Shape) -> None:
    after, worst = apply(all_passes, chain(shape, op, BatchNorm(), Relu()))
    assert [node.op.kind for node in after] == ["input", op.kind, "relu"]
    assert worst < FOLDED_TOLERANCE


def test_a_direction_is_no_kernel_to_fold_into() -> None:
    after, worst = apply(FoldBatchNorm(), chain(Shape(4, 7), Conv(out=4, weight_norm=True), BatchNorm()))
    assert "n1" in after.nodes
    assert worst == 0


def test_weight_norm_is_folded_in_float64_and_when_it_is_asked_for() -> None:
    """Against the exact value, the kernel is off by one rounding at most."""
    graph = chain(Shape(8, 5), Conv(out=8, weight_norm=True))
    arrays = {name: value.numpy().copy() for name, value in stir(to_torch(graph)).state_dict().items()}
    _, folded = FoldWeightNorm()(graph, arrays)
    assert isinstance(folded["n0.weight"], LazyArray)
    direction, length = arrays["n0.weight"].astype(np.float64), arrays["n0.length"].astype(np.float64)
    unit = direction / np.linalg.norm(direction.reshape(8, -1), axis=1)[:, None, None]
    np.testing.assert_array_max_ulp(
        np.asarray(folded["n0.weight"]), (length[:, None, None] * unit).astype(np.float32), maxulp=1
    )


def test_lengths_at_the_wrong_outputs_would_show() -> None:
    """The control: the same comparison with the lengths in another order."""
    graph = chain(Shape(4, 5, 5), ConvTranspose(out=6, groups=2, weight_norm=True))

    def fold_mixed(graph: Graph, weights: Arrays) -> tuple[Graph, Arrays]:
        return FoldWeightNorm()(graph, {**weights, "n0.length": np.asarray(weights["n0.length"])[::-1]})

    assert apply(fold_mixed, graph)[1] > 100 * FOLDED_TOLERANCE


def test_a_network_of_nothing_but_dropout_is_its_input() -> None:
    after, worst = apply(TakeExpectation(), chain(Shape(4, 7), Dropout()))
    assert after.outputs == {"y": "x"}
    assert worst == 0


def test_every_convolution_of_a_resnet_is_folded() -> None:
    graph = elaborate(load("resnet_digits"))
    after, worst = apply(FoldBatchNorm(), graph)
    assert not [node for node in after if isinstance(node.op, BatchNorm)]
    assert worst < FOLDED_TOLERANCE


def test_folding_is_done_in_float64() -> None:
    """Against the exact value in float64, the folded kernel is off by one rounding at most."""
    graph = chain(Shape(8, 5), Conv(out=8), BatchNorm())
    arrays = {name: value.numpy().copy() for name, value in stir(to_torch(graph)).state_dict().items()}
    exact = {name: value.astype(np.float64) for name, value in arrays.items()}
    factor = exact["n1.weight"] / np.sqrt(exact["n1.running_var"] + 1e-5)
    _, folded = FoldBatchNorm()(graph, arrays)
    np.testing.assert_array_equal(folded["n0.weight"], (exact["n0.weight"] * factor[:, None, None]).astype(np.float32))


def test_a_pass_that_breaks_the_graph_is_caught() -> None:
    class Careless(Pass):
        def apply(self, graph: Graph, weights: Arrays, journal: Journal) -> tuple[Graph, Arrays]:
            return graph.with_nodes(node for node in graph if node.id != "n0"), weights

    class Forgetful(Pass):
        def apply(self, graph: Graph, weights: Arrays, journal: Journal) -> tuple[Graph, Arrays]:
            return graph, {}

    graph = chain(Shape(4, 7), Conv(out=4), Relu())
    arrays = {name: value.numpy() for name, value in to_torch(graph).state_dict().items()}
    with pytest.raises(GraphError, match="comes later or never"):
        Careless()(graph, arrays)
    with pytest.raises(ArchspecError, match="is missing"):
        Forgetful()(graph, arrays)


def test_verify_finds_a_wrong_shape() -> None:
    graph = chain(Shape(4, 7), Conv(out=4))
    wrong = Node("n0", Conv(out=4), ("x",), Shape(4, 8), graph["n0"].source)
    with pytest.raises(GraphError, match="infers 4×7"):
        verify(Graph("wrong", {"x": graph["x"], "n0": wrong}, {"y": "n0"}))


def test_torch_is_not_touched() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    module = stir(to_torch(graph))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    FoldBatchNorm()(graph, {name: value.numpy() for name, value in module.state_dict().items()})
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
