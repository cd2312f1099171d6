"""Sums, means and products of several values, in the nodes that ONNX Runtime fuses or has a kernel for."""

from __future__ import annotations

import pytest

from archspec.ops import Add, Mean, Mul, Op, Shape, Shift
from compiler.onnx_target.model import build_model
from tests.support.lowering import list_kinds
from tests.support.rewriting import stirred
from tests.support.transformers import NORM, TransformerBuilder

MAP = Shape(4, 8, 8)
FORMS: list[tuple[Op, tuple[Shape, ...], list[str]]] = [
    (Add(), (MAP, MAP, MAP), ["Add", "Add"]),
    (Mul(), (MAP, MAP, MAP), ["Mul", "Mul"]),
    (Mean(), (MAP, MAP, MAP), ["Sum", "Mul"]),
]


@pytest.mark.parametrize(("op", "shapes", "kinds"), FORMS, ids=[op.kind for op, _, _ in FORMS])
def test_the_form_is_one_that_runtimes_fuse(op: Op, shapes: tuple[Shape, ...], kinds: list[str]) -> None:
    assert list_kinds(op, *shapes) == kinds


def test_what_a_shift_gives_goes_last_in_rows() -> None:
    builder = TransformerBuilder(32, 17)
    places = builder.add("places", Shift(trainable=True, per="position"), builder.add("first", NORM, "x"))
    graph = builder.finish(builder.add_block(places, "block", 4))
    nodes = {node.name: node for node in build_model(graph, stirred(graph)).head.graph.node}
    assert list(nodes["block.add_0"].input) == ["block.out", "places"]
    assert list(nodes["block.add_1"].input) == ["block.add_0", "block.conv_1"]
