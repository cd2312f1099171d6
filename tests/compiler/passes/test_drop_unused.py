"""What leads to no output is left out, and said."""

from __future__ import annotations

from archspec.ops import Add, Conv, Input, Relu, Shape
from compiler.graph import Node
from compiler.passes.drop_unused import DropUnused
from tests.support.rewriting import Drawing, run


def test_nodes_that_lead_nowhere_go_with_their_weights() -> None:
    drawing = Drawing(Shape(4, 6))
    end = drawing.add(Relu(), "x")
    drawing.add(Conv(out=3), drawing.add(Conv(out=4), "x"))
    after, step, worst = run(DropUnused(), drawing.graph(end))
    assert list(after.nodes) == ["x", "n0"]
    assert not after.weights
    assert [note.node for note in step.done] == ["n1", "n2"]
    assert worst == 0


def test_what_is_read_on_the_way_to_an_output_stays() -> None:
    drawing = Drawing(Shape(4, 6))
    drawing.add(Add(), "x", drawing.add(Conv(out=4), "x"))
    graph = drawing.graph()
    after, step, _ = run(DropUnused(), graph)
    assert after is graph
    assert not step.done


def test_an_input_stays_though_nothing_reads_it() -> None:
    """It belongs to what the network is called with."""
    drawing = Drawing(Shape(4, 6))
    drawing.nodes["z"] = Node("z", Input(dims=(4, 6)), (), Shape(4, 6), drawing.source)
    end = drawing.add(Relu(), "x")
    after, *_ = run(DropUnused(), drawing.graph(end))
    assert list(after.inputs) == ["x", "z"]
