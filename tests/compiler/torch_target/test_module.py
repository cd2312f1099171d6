"""The torch target: names, generated code, initialization, torch.compile, gradients, training-only behaviour."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.ops import Linear, Shape
from compiler.torch_target.module import assign_weights
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, graph_of


def test_modules_are_nested_and_named_as_the_spec_is() -> None:
    module = to_torch(elaborate(load("resnet_digits")))
    assert [name for name, _ in module.named_children()][:3] == ["conv_0", "norm_0", "relu_0"]
    inner = module.get_submodule("repeat_0.stage1.basic_block_0.residual_0.body.conv_0")
    assert isinstance(inner, nn.Conv2d)
    assert inner.stride == (2, 2)
    assert module.__class__.__name__ == "resnet_digits"


def test_generated_code_reads_like_the_network() -> None:
    code = to_torch(elaborate(load("residual_mlp", {"blocks": 1}))).code
    assert "linear = self.linear_0(x)" in code
    assert "relu = self.repeat_0.i0.residual_0.body.relu_0(linear)" in code
    assert "add = linear + linear_1" in code


@pytest.mark.parametrize("name", ["se_net", "unet", "hourglass2", "densenet121"])
def test_compiles_as_one_graph(name: str) -> None:
    sizes = {"unet": 188, "hourglass2": 64}.get(name, 32)
    graph = elaborate(load(name), {"H": sizes, "W": sizes})
    module = to_torch(graph).eval()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = torch.randn(1, *next(iter(graph.inputs.values())).shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, found = module(x), compiled(x)
    if isinstance(expected, torch.Tensor):
        expected, found = {"output": expected}, {"output": found}
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=1e-4, atol=1e-4 * float(value.abs().max()))


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's default compiler backend needs a C++ compiler")
def test_compiles_with_the_default_backend() -> None:
    graph = elaborate(load("residual_mlp"))
    module = to_torch(graph).eval()
    x = torch.randn(3, 100, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(module, fullgraph=True)(x), module(x), rtol=1e-4, atol=1e-4)


def test_weights_that_do_not_fit_are_named() -> None:
    graph = graph_of(Linear(out=3), Shape(4))
    module = to_torch(graph)
    weights = {"op.weight": torch.zeros(3, 5), "extra": torch.zeros(1)}
    with pytest.raises(ArchspecError, match=r"op.bias is missing; extra is of no layer; op.weight should be \(3, 4\)"):
        assign_weights(module, graph, weights)


@pytest.mark.parametrize("name", ["self", "torch", "forward", "image", "device"])
def test_an_input_may_have_any_name(name: str, tmp_path: Path) -> None:
    document = {"archspec": 1, "inputs": {"x": [4], name: [3]}, "network": [{"concat": [[], [{"from": name}]]}]}
    assert compare(graph_from(document), tmp_path) < TOLERANCE
