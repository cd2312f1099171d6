"""What is computed twice is computed once, if it is the same to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.ops import Add, BatchNorm, Concat, Conv, Input, Relu, Scale, Shape, Sigmoid
from compiler.graph import Graph, Node
from compiler.passes.base import run_passes
from compiler.passes.merge_duplicates import MergeDuplicates
from compiler.passes.weight_arrays import WeightArrays
from tests.support.rewriting import Drawing, kinds, measure, measure_values, run, stirred


def twice() -> Drawing:
    """Two convolutions of the input, a rectifier behind each, and both results."""
    drawing = Drawing(Shape(4, 6))
    ends = [drawing.add(Relu(), drawing.add(Conv(out=3), "x")) for _ in range(2)]
    drawing.add(Concat(), *ends)
    return drawing


def equal_weights(graph: Graph) -> WeightArrays:
    weights = stirred(graph)
    return {name: weights[name.replace("n2.", "n0.")] for name in weights}


def test_equal_layers_are_one() -> None:
    graph = twice().graph()
    weights = equal_weights(graph)
    after, others, steps = run_passes([MergeDuplicates()], graph, weights)
    assert kinds(after) == ["conv", "relu", "concat"]
    assert after["n4"].inputs == ("n1", "n1")
    assert [(note.node, note.text) for note in steps[0].done] == [("n2", "the same as n0"), ("n3", "the same as n1")]
    assert measure(graph, weights, after, others) == 0
    assert measure_values(graph, weights, after, others, steps) == 0


def test_one_bit_more_is_another_layer() -> None:
    graph = twice().graph()
    weights = equal_weights(graph)
    bias = np.array(weights["n2.bias"])
    bias[0] = np.nextafter(bias[0], np.float32(9))
    after, _ = MergeDuplicates()(graph, {**weights, "n2.bias": bias})
    assert after is graph


def test_merging_other_weights_would_show() -> None:
    """The control: the comparison tells layers that differ."""
    graph = twice().graph()
    weights = stirred(graph)
    after, others = MergeDuplicates()(graph, equal_weights(graph))
    assert measure(graph, weights, after, others) > 0.1


@pytest.mark.parametrize("other", [Sigmoid(), Scale(value=2), BatchNorm(affine=False)], ids=str)
def test_other_operations_stay(other: Relu) -> None:
    drawing = Drawing(Shape(4, 6))
    drawing.add(Add(), drawing.add(Relu(), "x"), drawing.add(other, "x"))
    after, step, worst = run(MergeDuplicates(), drawing.graph())
    assert len(after) == 4
    assert not step.done
    assert worst == 0


def test_the_order_of_operands_counts() -> None:
    drawing = Drawing(Shape(4, 6))
    one, other = drawing.add(Relu(), "x"), drawing.add(Sigmoid(), "x")
    drawing.add(Concat(), drawing.add(Concat(), one, other), drawing.add(Concat(), other, one))
    after, *_ = run(MergeDuplicates(), drawing.graph())
    assert len(after) == 6


def test_outputs_may_share_a_node() -> None:
    drawing = Drawing(Shape(4, 6))
    after, _, worst = run(MergeDuplicates(), drawing.graph(drawing.add(Relu(), "x"), drawing.add(Relu(), "x")))
    assert after.outputs == {"y0": "n0", "y1": "n0"}
    assert worst == 0


def test_two_inputs_are_two_values() -> None:
    drawing = Drawing(Shape(4, 6))
    drawing.nodes["z"] = Node("z", Input(dims=(4, 6)), (), Shape(4, 6), drawing.source)
    drawing.nodes["sum"] = Node("sum", Add(), ("x", "z"), Shape(4, 6), drawing.source)
    after, _, worst = run(MergeDuplicates(), drawing.graph())
    assert after["sum"].inputs == ("x", "z")
    assert worst == 0
