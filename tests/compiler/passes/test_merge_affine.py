"""Batch normalizations, scales and shifts in a row become one, in the cheapest form."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.errors import ArchspecError
from archspec.ops import Add, BatchNorm, Conv, GhostBatchNorm, Op, Relu, Scale, Shape, Shift, Sigmoid
from compiler.graph import Graph
from compiler.passes.merge_affine import MergeAffine
from compiler.passes.weight_arrays import WeightArrays
from tests.support.lowering import export
from tests.support.rewriting import FOLDED_TOLERANCE, Drawing, apply, chain, kinds, run, stirred

LEARNED_SCALE, LEARNED_SHIFT = Scale(trainable=True, per="channel"), Shift(trainable=True, per="channel")

ROWS: list[tuple[tuple[Op, ...], str]] = [
    ((BatchNorm(), Scale(value=0.5)), "batch_norm"),
    ((Scale(value=-0.5), BatchNorm(affine=False, eps=0.1)), "batch_norm"),
    ((BatchNorm(), GhostBatchNorm()), "batch_norm"),
    ((Shift(value=0.5), LEARNED_SCALE, Shift(value=-0.5)), "batch_norm"),
    ((LEARNED_SCALE, LEARNED_SHIFT), "batch_norm"),
    ((LEARNED_SCALE, Scale(value=0.5), LEARNED_SCALE), "scale"),
    ((Scale(value=3), Scale(value=0.5)), "scale"),
    ((LEARNED_SHIFT, Shift(value=0.5)), "shift"),
    ((Shift(value=3), Shift(trainable=True)), "shift"),
]


@pytest.mark.parametrize(("ops", "expected"), ROWS, ids=str)
@pytest.mark.parametrize("shape", [Shape(4), Shape(4, 3, 3)], ids=str)
def test_a_row_becomes_one(ops: tuple[Op, ...], expected: str, shape: Shape) -> None:
    after, step, worst = run(MergeAffine(), chain(shape, Relu(), *ops, Relu()))
    assert kinds(after) == ["relu", expected, "relu"]
    assert len(step.done) == len(ops) - 1
    assert worst < FOLDED_TOLERANCE


def test_another_order_would_show() -> None:
    """The control: the same operations, composed the other way round."""
    one, other = chain(Shape(4), Shift(value=0.5), LEARNED_SCALE), chain(Shape(4), LEARNED_SCALE, Shift(value=0.5))

    def merge_other(graph: Graph, weights: WeightArrays) -> tuple[Graph, WeightArrays]:
        return MergeAffine()(other, {"n0.factor": weights["n1.factor"]})

    assert apply(merge_other, one)[1] > 1000 * FOLDED_TOLERANCE


def test_it_keeps_the_name_of_the_batch_norm() -> None:
    after, step, _ = run(MergeAffine(), chain(Shape(4, 3), Shift(value=0.5), BatchNorm(), Scale(value=2)))
    assert list(after.nodes) == ["x", "n1"]
    assert list(after.weights) == ["n1.weight", "n1.bias", "n1.running_mean", "n1.running_var"]
    assert [note.node for note in step.done] == ["n0", "n2"]
    assert step.values == {"n1": "n2"}


def test_constants_stay_constants() -> None:
    after, *_ = run(MergeAffine(), chain(Shape(4, 3), Scale(value=3), Scale(value=0.5)))
    assert after["n1"].op == Scale(value=1.5)


def test_a_gate_is_still_told() -> None:
    """1 - sigmoid(x): two numbers are not made a batch normalization."""
    after, step, worst = run(MergeAffine(), chain(Shape(4), Sigmoid(), Scale(value=-1), Shift(value=1)))
    assert kinds(after) == ["sigmoid", "scale", "shift"]
    assert [note.node for note in step.left] == ["n2"]
    assert worst == 0


def test_what_is_read_in_between_stays() -> None:
    drawing = Drawing(Shape(4, 3))
    norm = drawing.add(BatchNorm())
    drawing.add(Add(), norm, drawing.add(LEARNED_SCALE))
    after, _, worst = run(MergeAffine(), drawing.graph())
    assert kinds(after) == ["batch_norm", "scale", "add"]
    assert worst == 0


def test_an_output_in_between_stays() -> None:
    drawing = Drawing(Shape(4, 3))
    norm = drawing.add(BatchNorm())
    after, _, worst = run(MergeAffine(), drawing.graph(norm, drawing.add(LEARNED_SCALE)))
    assert kinds(after) == ["batch_norm", "scale"]
    assert worst == 0


def test_a_product_out_of_range_is_refused() -> None:
    with pytest.raises(ArchspecError, match="becomes infinite in float32"):
        MergeAffine()(chain(Shape(4), Scale(value=1e30), Scale(value=1e30)), {})


def test_a_long_row_takes_no_longer_than_it_should() -> None:
    graph = chain(Shape(1), *[Scale(value=1.0)] * 5000)
    assert kinds(MergeAffine()(graph, {})[0]) == ["scale"]


def test_the_runtime_makes_a_convolution_of_it(tmp_path: Path) -> None:
    """The witness of the form: ONNX Runtime's own optimized graph has nothing but convolutions in the blocked layout,
    the rectifiers in them. A product and a sum would stay what they are."""
    ops = (Conv(out=32), Relu(), LEARNED_SCALE, LEARNED_SHIFT, Relu(), Conv(out=32))
    graph = chain(Shape(32, 8, 8), *ops)
    weights = {name: np.array(array) for name, array in stirred(graph).items()}
    weights["n2.factor"][0] = -1  # or it would go through the rectifier into the first convolution
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(export(graph, weights, tmp_path), options, providers=["CPUExecutionProvider"])
    found = Counter(node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node)
    assert not found.keys() & {"Mul", "Add", "BatchNormalization"}
    assert found["Conv"] == 3
