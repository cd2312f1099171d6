"""A proof holds where the numbers agree, and fails where a single weight is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx import helper
from torch import Tensor, nn

from archspec.api import to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.onnx_target.options import ExportOptions
from runtime.verification.differences import compare
from runtime.verification.options import VerifyOptions
from runtime.verification.proof.proof import prove
from tests.support.documents import graph_from
from tests.support.lowering import stir
from tests.support.models import build_double, build_model, make_linear, save, save_module

CASES = [{"image": (1, 1, 8, 8)}, {"image": (3, 1, 8, 8)}]


def test_equal_networks_are_proven(tmp_path: Path) -> None:
    module = make_linear()
    module.train()
    proof = prove(save_module(module, tmp_path / "m.onnx"), module, CASES)
    assert [case.inputs for case in proof.cases] == CASES
    assert [case.outputs for case in proof.cases] == [{"logits": (1, 10)}, {"logits": (3, 10)}]
    assert 0 <= proof.worst < 1e-5
    assert module.training
    assert json.loads(json.dumps(proof.to_dict()))["worst"] == proof.worst
    assert str(proof.cases[1]).startswith("image 3 × 1 × 8 × 8: torch and ONNX differ by ")


@pytest.mark.parametrize("place", [(0, 0), (9, 63), (4, 20)])
def test_one_wrong_weight_fails(tmp_path: Path, place: tuple[int, int]) -> None:
    module = make_linear()
    wrong = get_linear(module).weight.detach().numpy().copy()
    wrong[place] += 0.01
    path = save_module(module, tmp_path / "m.onnx", weight=wrong)
    with pytest.raises(
        ArchspecError, match=r"for the input image 1 × 1 × 8 × 8 output 'logits' differs by .*at most 0.0001"
    ):
        prove(path, module, CASES)
    with pytest.raises(ArchspecError, match=r"allowed$"):  # nothing here is rounding's fault
        prove(path, module, CASES)
    assert prove(path, module, CASES, VerifyOptions(tolerance=0.1)).worst > 1e-4


def get_linear(module: nn.Sequential) -> nn.Linear:
    linear = module[1]
    assert isinstance(linear, nn.Linear)
    return linear


class Magnified(nn.Module):
    """A linear layer of which single precision keeps the first digits alone."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = make_linear()

    def forward(self, x: Tensor) -> Tensor:
        return (self.linear(x) + 1e6) - 1e6


def test_a_network_that_magnifies_rounding_is_called_so(tmp_path: Path) -> None:
    module = Magnified()
    path = save_module(module.linear, tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match=r"torch in float32 is itself off by up to .*magnifies rounding"):
        prove(path, module, CASES)


def test_rounding_is_looked_at_nearby_too(tmp_path: Path) -> None:
    """The mean of what nearly cancels, as a gate. ONNX is off by 1.2e-4 at this very input, torch in float32 by 1.5e-5,
    and by up to 5e-5 where inputs differ in their last digit."""
    gate = {"mul": [[], ["global_avg_pool", {"conv": {"out": 1, "kernel": 1}}, "tanh"]]}
    turns = {"n": 3, "as": "turn1", "body": [gate, {"output": "side_{turn1}"}]}
    network = [{"conv": {"out": 4, "padding": 2, "init": "zeros"}}, {"repeat": turns}, "flatten", {"linear": 1}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [6, "D", "N"]}, "sizes": {"D": 4, "N": 8}, "network": network})
    module = stir(to_torch(graph))
    to_onnx(graph, module.state_dict(), tmp_path / "m.onnx", verify=False)
    with pytest.raises(ArchspecError, match=r"'side_2' .*torch in float32 is itself off by up to .*magnifies rounding"):
        prove(tmp_path / "m.onnx", module, [{"x": (1, 6, 4, 8)}], VerifyOptions(tolerance=2e-6))


def test_half_precision_magnifies_rounding_too(tmp_path: Path) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"shift": 1000}, "relu", {"shift": -1000}]})
    for precision in ("fp16", "bf16"):
        path = tmp_path / f"{precision}.onnx"
        to_onnx(graph, {}, path, verify=False, options=ExportOptions(precision=precision))
        kind = {"fp16": "float16", "bf16": "bfloat16"}[precision]
        with pytest.raises(ArchspecError, match=rf"torch in {kind} is itself off by up to .*magnifies rounding"):
            prove(path, to_torch(graph), [{"x": (1, 4)}])
    tripled = to_torch(graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"scale": 3}]}))
    with pytest.raises(ArchspecError) as caught:
        prove(path, tripled, [{"x": (1, 4)}])
    assert "magnifies" not in str(caught.value)


class Votes(nn.Module):
    """Shares of two votes, which rounding decides where `big` is."""

    def __init__(self, big: float) -> None:
        super().__init__()
        self.big = big

    def forward(self, x: Tensor) -> Tensor:
        return ((x + self.big) - self.big > 0).to(x.dtype)


@pytest.mark.parametrize(("big", "magnifies"), [(1e6, True), (1.0, False)])
def test_votes_that_rounding_decides_are_called_so(big: float, magnifies: bool, tmp_path: Path) -> None:
    nodes = [helper.make_node("Greater", ["x", "zero"], ["b"]), helper.make_node("Cast", ["b"], ["y"], to=1)]
    shape: list[int | str | None] = ["N", 2, "W"]
    zero = np.zeros((), np.float32) if magnifies else np.ones((), np.float32)
    path = save(build_model(nodes, {"x": shape}, {"y": shape}, {"zero": zero}), tmp_path / "m.onnx")
    with pytest.raises(ArchspecError, match="of its positions") as caught:
        prove(path, Votes(big), [{"x": (1, 2, 500)}], votes=["y"])
    assert ("magnifies rounding" in str(caught.value)) == magnifies


def test_a_wrong_shape_fails(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"'logits' is \(1, 7\) in torch and \(1, 10\) in ONNX"):
        prove(save_module(make_linear(), tmp_path / "m.onnx"), make_linear(classes=7), CASES)


def test_numbers_that_are_not_finite_fail(tmp_path: Path) -> None:
    module = make_linear()
    path = save_module(module, tmp_path / "m.onnx", bias=np.full(10, np.nan, np.float32))
    with pytest.raises(ArchspecError, match="holds infinite numbers or NaN in ONNX"):
        prove(path, module, CASES)
    with torch.no_grad():
        get_linear(module).bias.fill_(float("inf"))
    with pytest.raises(ArchspecError, match="holds infinite numbers or NaN in torch"):
        prove(path, module, CASES)


class Two(nn.Module):
    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return {"difference": a - b * self.factor, "sum": a + b}


def test_several_inputs_and_outputs_go_by_name(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])]
    shape = ["N", "W"]
    path = save(build_model(nodes, {"a": shape, "b": shape}, {"sum": shape, "difference": shape}), tmp_path / "m.onnx")
    case = {"a": (2, 5), "b": (2, 5)}
    (found,) = prove(path, Two(), [case]).cases
    assert set(found.differences) == {"sum", "difference"}
    with pytest.raises(ArchspecError, match="output 'difference' differs by"):
        prove(path, Two(1.01), [case])
    with pytest.raises(ArchspecError, match=r"gives one tensor, the ONNX file 2: sum, difference"):
        prove(path, nn.Bilinear(5, 5, 1), [case])


def test_outputs_of_other_names_fail(tmp_path: Path) -> None:
    path = save(
        build_model([helper.make_node("Add", ["a", "b"], ["y"])], {"a": [1], "b": [1]}, {"y": [1]}), tmp_path / "m.onnx"
    )
    with pytest.raises(ArchspecError, match="the torch module gives difference, sum; the ONNX file y"):
        prove(path, Two(), [{"a": (1,), "b": (1,)}])


def test_a_proof_without_a_case_is_none(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="at least one case"):
        prove(save(build_double(), tmp_path / "m.onnx"), nn.Identity(), [])


def test_differences_are_relative_to_torchs_largest() -> None:
    assert compare(np.array([1.0, -4.0]), np.array([1.0, -3.0])) == 0.25
    assert compare(np.zeros(2), np.zeros(2)) == 0
    assert compare(np.zeros(2), np.full(2, 1e-3)) > 1
    assert compare(np.zeros((0, 2)), np.zeros((0, 2))) == 0
