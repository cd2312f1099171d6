"""What passes do to weights, done again in torch: the same numbers for other weights, and the gradients of torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.func import functional_call

from archspec.api import elaborate, load, to_torch
from compiler.graph import Graph
from compiler.onnx_target.pipeline import EXACT
from compiler.passes.base import run_passes
from compiler.passes.recorded import record
from compiler.torch_target.module import lower
from compiler.torch_target.replay import Replay
from tests.support.documents import graph_from
from tests.support.lowering import run_torch, sample_inputs, stir
from tests.support.strategies import MODERATE, Document, specs

DIGITS = 2e-6
"""How far sums in another order may be apart, as a part of the largest number."""

FOLDS: dict[str, Any] = {
    "behind and before": ["norm", {"conv": {"out": 6, "kernel": 1}}, "norm", "relu", {"conv": 4}],
    "past a pooling and a sum": [
        {"add": [[{"conv": 4}], [{"conv": {"out": 4, "bias": False}}]]},
        {"avg_pool": 2},
        "norm",
        {"scale": {"trainable": True, "per": "channel"}},
        "relu",
        {"conv": {"out": 4, "groups": 2}},
    ],
    "into the parts of a concatenation": [
        {"concat": [[{"conv": 4}], [{"conv_transpose": {"out": 2, "kernel": 1, "stride": 1}}]]},
        "norm",
        "relu",
    ],
    "through flattening": [{"conv": 3}, "relu", "norm", {"scale": 0.5}, "flatten", {"linear": 5}],
    "standardized": [{"conv": {"out": 4, "standardize": True, "weight_norm": True}}, "norm", {"conv": 2}],
    "lengths": [{"conv": {"out": 4, "weight_norm": True}}, {"conv_transpose": {"out": 4, "weight_norm": True}}],
    "norms that stay": ["relu", "norm", {"shift": {"trainable": True}}, "relu", {"conv": 3}],
}


def draw(graph: Graph, seed: int) -> dict[str, Any]:
    return {name: value.numpy() for name, value in stir(to_torch(graph), seed).state_dict().items()}


def fold(graph: Graph, weights: dict[str, Any]) -> tuple[Graph, Any]:
    after, arrays, _ = run_passes(EXACT, graph, weights)
    return after, arrays


def check(graph: Graph) -> None:
    """A record of some weights, replayed with others, gives what the passes make of these."""
    one, other = draw(graph, 0), draw(graph, 1)
    after, recorded = fold(graph, record(one))
    expected_graph, expected = fold(graph, other)
    replay = Replay(recorded)
    found = replay({name: torch.from_numpy(array) for name, array in other.items()})
    if after.digest() != expected_graph.digest():  # these weights let the passes do something else
        return
    assert found.keys() == expected.keys() == after.weights.keys()
    for name, tensor in found.items():
        array = np.asarray(expected[name])
        assert (tuple(tensor.shape), tensor.numpy().dtype) == (array.shape, array.dtype)
        assert np.abs(tensor.numpy() - array).max(initial=0) <= DIGITS * np.abs(array).max(initial=0), name


@pytest.mark.parametrize("name", FOLDS)
def test_replay_does_as_the_passes(name: str) -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 6, 6]}, "network": FOLDS[name]})
    assert fold(graph, draw(graph, 0))[0].digest() != graph.digest()
    check(graph)


@settings(MODERATE, max_examples=40)
@given(specs())
def test_replay_does_as_the_passes_in_random_networks(document: Document) -> None:
    check(graph_from(document))


@pytest.mark.parametrize("name", [*FOLDS, "resnet_digits"])
def test_gradients_are_torchs(name: str) -> None:
    """Through what was folded, against torch's own modules in evaluation mode."""
    if name in FOLDS:
        graph = graph_from({"archspec": 1, "inputs": {"x": [4, 6, 6]}, "network": FOLDS[name]})
    else:
        graph = elaborate(load(name, params={"depths": [1, 1, 1], "widths": [4, 8, 8]}))
    own = stir(to_torch(graph)).eval()
    inputs = sample_inputs(graph, 3)
    images = torch.from_numpy(inputs[next(iter(inputs))])
    after, recorded = fold(graph, record({name: value.numpy() for name, value in own.state_dict().items()}))
    state = {name: value.detach().clone() for name, value in own.state_dict().items()}
    for name, value in own.named_parameters():
        state[name].requires_grad_(value.requires_grad)
    found = functional_call(lower(after).eval(), Replay(recorded)(state), (images,))
    expected = own(images)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.detach().abs().max()))
    (found * found.detach()).sum().backward()
    (expected * expected.detach()).sum().backward()
    for name, value in own.named_parameters():
        if value.requires_grad:
            assert value.grad is not None
            grad = state[name].grad
            assert grad is not None, name
            assert (grad - value.grad).abs().max() <= 1e-3 * value.grad.abs().max() + 1e-6, name
    assert run_torch(graph, own, inputs)  # and the network itself is as it was


def test_what_is_given_is_known_and_constants_stay() -> None:
    recorded = record({"a": np.ones(3, np.float32), "b": np.ones(3, np.float32)})
    replay = Replay({"sum": recorded["a"] * 2 + np.arange(3), "plain": np.zeros(2, np.float32)})
    assert replay.given == {"a"}
    found = replay({"a": torch.full((3,), 5.0)})
    assert found["sum"].tolist() == [10, 11, 12]
    assert found["plain"].tolist() == [0, 0]
