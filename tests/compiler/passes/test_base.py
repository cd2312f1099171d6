"""What holds for every pass: it is verified, and its journal says what became of each node."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from archspec.api import to_torch
from archspec.errors import ArchspecError
from archspec.ops import BatchNorm, Conv, Relu, Shape
from compiler.graph import Graph
from compiler.graph_check import GraphError, verify
from compiler.passes import base
from compiler.passes.base import Journal, Pass, run_passes, trace_value
from compiler.passes.fold_affine_back import FoldAffineBack
from compiler.passes.take_expectation import TakeExpectation
from compiler.passes.weight_arrays import WeightArrays
from tests.support.lowering import stir
from tests.support.rewriting import chain, stirred


class Careless(Pass):
    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        return graph.with_nodes(node for node in graph if node.id != "n0"), weights


class Forgetful(Pass):
    def apply(self, graph: Graph, weights: WeightArrays, journal: Journal) -> tuple[Graph, WeightArrays]:
        return graph, {}


def test_a_pass_that_breaks_the_graph_is_caught() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), Relu())
    with pytest.raises(GraphError, match="comes later or never"):
        Careless()(graph, stirred(graph))
    with pytest.raises(ArchspecError, match="is missing"):
        Forgetful()(graph, stirred(graph))


def test_what_a_pass_is_given_is_verified_too() -> None:
    graph = chain(Shape(4, 7), Conv(out=4))
    with pytest.raises(ArchspecError, match="is missing"):
        TakeExpectation()(graph, {})


def test_a_boundary_is_verified_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Graph] = []
    check = base._check

    def see(graph: Graph, weights: WeightArrays) -> None:
        seen.append(graph)
        check(graph, weights)

    monkeypatch.setattr(base, "_check", see)
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    after, *_ = run_passes([TakeExpectation(), FoldAffineBack(), TakeExpectation()], graph, stirred(graph))
    assert [len(each) for each in seen] == [len(graph), len(after)]


def test_verify_finds_a_wrong_shape() -> None:
    graph = chain(Shape(4, 7), Conv(out=4))
    wrong = replace(graph["n0"], shape=Shape(4, 8))
    with pytest.raises(GraphError, match="infers 4×7"):
        verify(Graph("wrong", {"x": graph["x"], "n0": wrong}, {"y": "n0"}))


def test_steps_say_what_was_done() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm(), Relu(), BatchNorm())
    steps = run_passes([TakeExpectation(), FoldAffineBack()], graph, stirred(graph))[2]
    first, last = (step.to_dict() for step in steps)
    assert first | {"rule": ""} == {"pass": "take expectation", "rule": "", "done": [], "left": []}
    assert last["pass"] == "fold affine back"
    assert last["rule"].startswith("a · (w x + b) + c")
    assert last["done"] == [{"node": "n1", "text": "folded into n0"}]
    assert last["left"] == [{"node": "n3", "text": "n2 is no layer that could take it, but relu"}]


def test_values_are_traced_through_passes() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm(), Relu())
    steps = run_passes([FoldAffineBack(), TakeExpectation()], graph, stirred(graph))[2]
    assert {id: trace_value(steps, id) for id in ("x", "n0", "n2")} == {"x": "x", "n0": "n1", "n2": "n2"}


def test_torch_is_not_touched() -> None:
    graph = chain(Shape(4, 7), Conv(out=4), BatchNorm())
    module = stir(to_torch(graph))
    before = {name: value.clone() for name, value in module.state_dict().items()}
    FoldAffineBack()(graph, {name: value.numpy() for name, value in module.state_dict().items()})
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
