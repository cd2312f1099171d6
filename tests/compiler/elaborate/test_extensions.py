"""An operation of a caller's own, allowed by name: from the spec to torch and ONNX Runtime."""

from __future__ import annotations

import re
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from archspec.api import accepted_sizes, analyze, measure_path_gradient, measure_signal, to_onnx, to_torch, verify_model
from archspec.errors import ArchspecError, SpecError
from archspec.ops import Layer, Op, OpError, Span
from archspec.ops.base import Pointwise
from archspec.ops.fields import Flag, Number
from archspec.ops.values import Shape, Weight, Weights
from archspec.ops.window import Positions
from compiler.onnx_target.emitter import Emitter, OnnxValue
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, difference, run_onnx, run_torch, sample_inputs, stir

DOCUMENT: dict[str, Any] = {
    "archspec": 1,
    "inputs": {"x": [3, "H", "W"]},
    "sizes": {"H": 8, "W": 8},
    "params": {"p": 2},
    "network": [{"conv": 4}, {"ext": {"use": "power", "exponent": "p + 1"}}, "relu"],
}


class Power(Pointwise):
    """weight · x ** exponent, with one learned weight for each channel."""

    main: ClassVar[str | None] = "exponent"

    exponent: Number = 2.0

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((x.channels, *[1] * x.rank), 1.0)}


class PowerModule(nn.Module):
    def __init__(self, op: Power, x: Shape) -> None:
        super().__init__()
        self.exponent = op.exponent
        self.weight = nn.Parameter(torch.empty(x.channels, *[1] * x.rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight * x**self.exponent


def to_power(op: Power, emit: Emitter, x: OnnxValue) -> OnnxValue:
    return emit.op("Mul", [emit.weight("weight"), emit.op("Pow", [x, emit.constant("exponent", op.exponent)])])


def test_the_whole_way(tmp_path: Path) -> None:
    graph = graph_from(DOCUMENT, extensions={"power": Power})
    assert graph["ext_0"].op == Power(exponent=3)
    assert analyze(graph).cost.parameters == 3 * 4 * 9 + 4 + 4
    module = stir(to_torch(graph, rules={Power: PowerModule}))
    path = tmp_path / "model.onnx"
    proof = to_onnx(graph, module.state_dict(), path, rules={Power: to_power}, torch_rules={Power: PowerModule}).proof
    assert proof is not None
    inputs = sample_inputs(graph, 2, {"H": 9})
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE
    rules: dict[str, Any] = {"rules": {Power: to_power}, "torch_rules": {Power: PowerModule}}
    assert verify_model(path, (graph, module.state_dict()), **rules).passed
    wrong = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    wrong["ext_0.weight"] += 0.5
    to_onnx(graph, wrong, path, verify=False, rules={Power: to_power})
    assert not verify_model(path, (graph, module.state_dict()), **rules).passed
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) > TOLERANCE


def test_without_the_callers_leave_it_is_a_mistake() -> None:
    with pytest.raises(SpecError, match="the caller did not allow the extension 'power'"):
        graph_from(DOCUMENT)


def test_a_missing_rule_names_the_operation(tmp_path: Path) -> None:
    graph = graph_from(DOCUMENT, extensions={"power": Power})
    with pytest.raises(ArchspecError, match="torch has no rule for power; give one in `rules`"):
        to_torch(graph)
    weights = {name: np.zeros(weight.shape, np.float32) for name, weight in graph.weights.items()}
    with pytest.raises(ArchspecError, match="onnx has no rule for power"):
        to_onnx(graph, weights, tmp_path / "m.onnx", verify=False)
    assert list(tmp_path.iterdir()) == []


def test_the_start_is_measured_with_the_callers_rules() -> None:
    """The second moment of w · x³ at w = 1 is E x⁶ = 15 of standard normal values; by path length, all gradient is of
    length 0."""
    graph = graph_from(
        {"archspec": 1, "inputs": {"x": [40]}, "network": [{"ext": {"use": "power", "exponent": 3}}]},
        extensions={"power": Power},
    )
    rules: dict[type[Op], Any] = {Power: PowerModule}
    assert measure_signal(graph, rules=rules).nodes[-1].second_moment == pytest.approx(15, rel=0.1)
    assert measure_path_gradient(graph, rules=rules).energies == (1.0,)
    for measure in (measure_signal, measure_path_gradient):
        with pytest.raises(ArchspecError, match="torch has no rule for power"):
            measure(graph)


class SpaceToDepth(Layer):
    """Each square of two positions as channels."""

    def infer(self, x: Shape) -> Shape:
        if any(size % 2 for size in x.space):
            raise OpError(f"space_to_depth needs even extents, found {x}")
        return Shape(x.channels * 2**x.rank, *(size // 2 for size in x.space))

    def stride_fraction(self, axis: int) -> Fraction:
        return Fraction(2)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        return ((range(2 * span[0], 2 * span[1] + 2),),)


class Tokens(Layer):
    """All positions in one axis, as transformers read them, with a learned place for each where `placed`."""

    placed: Flag = False

    def infer(self, x: Shape) -> Shape:
        return Shape(x.channels, prod(x.space))

    def weights(self, x: Shape) -> Weights:
        return {"places": Weight((x.channels, prod(x.space)), 0.0)} if self.placed else {}


def rules_with(network: list[Any]) -> dict[str, str]:
    document = {"archspec": 1, "inputs": {"x": [2, "H", 8]}, "sizes": {"H": 16}, "network": network}
    graph = graph_from(document, extensions={"space_to_depth": SpaceToDepth, "tokens": Tokens})
    return {name: str(rule) for name, rule in accepted_sizes(graph).items()}


def test_sizes_follow_from_what_an_extension_says_of_its_pace() -> None:
    halved = {"ext": {"use": "space_to_depth"}}
    assert rules_with([halved]) == {"H": "2 + 2·k"}
    assert rules_with([halved, halved, {"conv": {"out": 2, "padding": 0, "kernel": 2}}]) == {"H": "8 + 4·k"}
    document = {"archspec": 1, "inputs": {"x": [2, "H", 8]}, "sizes": {"H": 16}, "network": [halved]}
    with pytest.raises(SpecError, match=r"H accepts 2 \+ 2·k; nearest: 34"):
        graph_from(document, sizes={"H": 33}, extensions={"space_to_depth": SpaceToDepth})


def test_sizes_that_an_extension_does_not_tell_are_tried() -> None:
    """Positions laid out in one axis do not keep the pace of their axes; and the size of a weight is one."""
    assert re.fullmatch(r"1 to \d+ of those tried", rules_with([{"ext": {"use": "tokens"}}])["H"])
    assert rules_with([{"ext": {"use": "tokens", "placed": True}}]) == {"H": "16 alone"}


class Pick(Op):
    """The first value, with the extents of the second lent."""

    arity: ClassVar[int | None] = 2
    data_inputs: ClassVar[int | None] = 1

    factor: Number = 1.0

    def infer(self, x: Shape, like: Shape) -> Shape:
        if x != like:
            raise OpError(f"pick needs equal shapes, found {x} and {like}")
        return x

    def torch_module(self, x: Shape, like: Shape) -> Any:
        return lambda value, _: value * self.factor

    def onnx_nodes(self, emit: Emitter, x: OnnxValue, like: OnnxValue) -> OnnxValue:
        return emit.op("Mul", [x, emit.constant("factor", self.factor)])


def pick(network: list[Any], **document: Any) -> Any:
    whole = {"archspec": 1, "inputs": {"x": [3, 8, 8], "y": [3, 8, 8]}, "network": network, **document}
    return graph_from(whole, extensions={"pick": Pick})


def test_an_extension_takes_taps_and_inputs_as_operands(tmp_path: Path) -> None:
    graph = pick([{"conv": 3}, {"ext": {"use": "pick", "with": ["y"], "factor": 2}}])
    assert graph["ext_0"].inputs == ("conv_0", "y")
    assert graph["ext_0"].data_inputs == ("conv_0",)
    module = stir(to_torch(graph))
    to_onnx(graph, module.state_dict(), tmp_path / "m.onnx")
    inputs = sample_inputs(graph, 2)
    assert difference(run_torch(graph, module, inputs), run_onnx(tmp_path / "m.onnx", inputs)) < TOLERANCE


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "pick takes 2 values, found 1; `with` names those behind the first"),
        ({"with": ["y", "y"]}, "pick takes 2 values, found 3"),
        ({"with": ["z"]}, "unknown tap 'z'; known here: x, y"),
        ({"with": "y"}, "`with` of ext should be a list"),
        ({"with": ["y"], "facter": 2}, "unknown field 'facter' of the extension pick; did you mean 'factor'?"),
    ],
)
def test_operands_that_do_not_fit_are_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=re.escape(message)):
        pick([{"ext": {"use": "pick", **fields}}])


def test_shapes_of_operands_that_do_not_fit_are_said_where_it_stands() -> None:
    with pytest.raises(SpecError, match="pick needs equal shapes, found 4×8×8 and 3×8×8"):
        pick([{"conv": 4}, {"ext": {"use": "pick", "with": ["y"]}}])


def test_defaults_are_by_the_extensions_name() -> None:
    network = [{"ext": {"use": "pick", "with": ["y"]}}, {"ext": {"use": "pick", "with": ["y"], "factor": 3}}]
    graph = pick(network, defaults={"ext": {"pick": {"factor": "1 + 1"}}})
    assert [graph[id].op for id in ("ext_0", "ext_1")] == [Pick(factor=2), Pick(factor=3)]
    with pytest.raises(SpecError, match="unknown field 'facter' of the extension pick"):
        pick(network, defaults={"ext": {"pick": {"facter": 2}}})
    with pytest.raises(SpecError, match="`defaults` of ext should be mappings of fields by the names of extensions"):
        pick(network, defaults={"ext": {"pick": 2}})


def test_rules_that_are_handed_over_go_before_those_of_the_class() -> None:
    graph = pick([{"ext": {"use": "pick", "with": ["y"]}}])
    x = torch.ones(1, 3, 8, 8)
    assert float(to_torch(graph)(x, x).sum()) == 192
    assert float(to_torch(graph, rules={Pick: lambda op, *xs: lambda x, y: x + y})(x, x).sum()) == 384
