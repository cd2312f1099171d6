"""Training begins from the weights of a file, but for those that are drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from archspec.api import to_torch, train
from archspec.errors import InputError
from compiler.graph import Graph
from runtime.training.initial_weights import begin_from, check_reset
from runtime.weights.safetensors_file import save_weights
from tests.support.runs import build

LAYERS: list[Any] = [
    {"conv": {"out": 4, "name": "first"}},
    "norm",
    "relu",
    "flatten",
    {"linear": {"out": 3, "name": "last"}},
]


def make(folder: Path, classes: int = 3) -> Graph:
    layers = [*LAYERS[:-1], {"linear": {"out": classes, "name": "last"}}]
    return build(folder, layers, [1, 4, 4])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    module = to_torch(make(tmp_path), seed=7)
    save_weights(tmp_path / "w.safetensors", module.state_dict(), {})
    torch.save(module.state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.safetensors"


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_module_begins_from_a_file(weights: Path, name: str) -> None:
    graph = make(weights.parent)
    module, expected = to_torch(graph, seed=1), to_torch(graph, seed=7).state_dict()
    assert not torch.equal(module.state_dict()["first.weight"], expected["first.weight"])
    begin_from(module, graph, weights.with_name(name))
    assert all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())


def test_the_head_is_drawn_anew(weights: Path) -> None:
    """Also where it has another shape; without that it is refused, and what to do is said."""
    graph = make(weights.parent, classes=5)
    module, own, given = to_torch(graph, seed=1), to_torch(graph, seed=1), to_torch(make(weights.parent), seed=7)
    said = r"'last.weight' is 3×64 and should be 5×64; .*; --reset head draws those of the layers that give"
    with pytest.raises(InputError, match=said):
        begin_from(module, graph, weights)
    with pytest.raises(InputError, match=r"; train in float first, from these weights: --reset head draws"):
        begin_from(module, graph, weights, may_reset=False)
    assert all(torch.equal(value, own.state_dict()[name]) for name, value in module.state_dict().items())
    begin_from(module, graph, weights, ["head"])
    assert torch.equal(module.state_dict()["last.weight"], own.state_dict()["last.weight"])
    assert torch.equal(module.state_dict()["first.weight"], given.state_dict()["first.weight"])
    assert torch.equal(module.state_dict()["norm_0.running_var"], given.state_dict()["norm_0.running_var"])


def test_what_does_not_fit_is_said(weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    graph = make(tmp_path)
    state = to_torch(graph).state_dict()
    lacking = {name: value for name, value in state.items() if name != "first.weight"}
    save_weights(tmp_path / "lacking.safetensors", lacking, {})
    with pytest.raises(InputError, match=r"'first.weight' is not in it; give the network the params"):
        begin_from(to_torch(graph), graph, tmp_path / "lacking.safetensors")
    begin_from(to_torch(graph), graph, tmp_path / "lacking.safetensors", ["first"])
    save_weights(tmp_path / "more.safetensors", {**state, "extra": torch.ones(1)}, {})
    begin_from(to_torch(graph), graph, tmp_path / "more.safetensors")
    assert caplog.messages[-1].endswith("has 1 weights that net has not: extra")
    with pytest.raises(InputError, match=r"--reset firsst: net has no weights of that name; there are head, first"):
        check_reset(graph, ["firsst"])
    assert check_reset(graph, ["first.*", "head"]) == {"first.weight", "first.bias", "last.weight", "last.bias"} & set(
        state
    )


def test_words_that_contradict_each_other_are_refused(weights: Path) -> None:
    graph = make(weights.parent)
    with pytest.raises(InputError, match="`reset` draws weights anew that `init` would give"):
        train(graph, "digits", reset=["head"])
    with pytest.raises(InputError, match="`resume` and `force` are about a run's `folder`"):
        train(graph, "digits", resume="auto")
