"""Leaving out a body is the same network with zeros in the body's place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx

from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.ops import PadChannels
from archspec.spec.zoo import zoo_specs
from compiler.graph import Graph
from compiler.passes.remove_bodies import RemovablePart, RemoveBodies, find_bodies, find_layers, find_parts
from compiler.passes.weight_arrays import WeightArrays
from compiler.torch_target.module import assign_weights
from tests.support.lowering import difference, run_onnx, run_torch, sample_inputs, stir
from tests.zoo.rows import ROWS

TOLERANCE = 1e-6
"""Both sides sum the same numbers in the same order, but for zeros."""


class Zeroed(fx.Interpreter):
    """The whole network in torch, with zeros for the results of some nodes. torch.fx keeps the graph's order."""

    def __init__(self, graph: Graph, module: fx.GraphModule, silenced: set[str]) -> None:
        super().__init__(module)
        nodes = [node for node in module.graph.nodes if node.op != "output"]
        assert len(nodes) == len(graph)
        self.silenced = {node for node, id in zip(nodes, graph.nodes, strict=True) if id in silenced}

    def run_node(self, node: fx.Node) -> Any:
        found = super().run_node(node)
        return torch.zeros_like(found) if node in self.silenced else found


def silence(graph: Graph, module: fx.GraphModule, inputs: dict[str, Any], parts: list[RemovablePart]) -> dict[str, Any]:
    """What the whole network gives where the bodies of these parts give zeros."""
    bodies = {graph[part.result].inputs[-1] for part in parts}
    with torch.no_grad():
        found = Zeroed(graph, module.eval(), bodies).run(*(torch.from_numpy(inputs[name]) for name in graph.inputs))
    named = found if isinstance(found, dict) else {next(iter(graph.outputs)): found}
    return {name: value.numpy() for name, value in named.items()}


def arrays_of(module: fx.GraphModule) -> WeightArrays:
    return {name: value.numpy() for name, value in module.state_dict().items()}


def small(name: str) -> Graph:
    chosen = dict(ROWS[name].small)
    return elaborate(load(name, chosen.pop("params", {})), chosen)


def build(folder: Path, network: list[Any], shape: list[int]) -> Graph:
    document = {"archspec": 1, "inputs": {"x": shape}, "network": network}
    (folder / "net.json").write_text(json.dumps(document), encoding="utf-8")
    return elaborate(load(folder / "net.json"))


def spread(parts: list[RemovablePart], count: int) -> list[RemovablePart]:
    """The first, the last, and some between."""
    places = np.linspace(0, len(parts) - 1, min(count, len(parts))).round().astype(int)
    return [parts[place] for place in places]


SMALL = [
    *("residual_mlp", "residual_mlp_a", "highway10", "resnet_digits", "resnet20", "resnet20_c", "se_net"),
    *("preresnet110", "resnet110_sqrt_half", "shake_shake26_2x32d", "densenet_40_12", "densenet_bc_100_12"),
    *("shortcut_only_gate", "mobilenet_v2", "efficientnet_b0"),
]


@pytest.mark.parametrize("name", SMALL)
def test_without_a_body_it_is_the_network_with_zeros_there(name: str) -> None:
    """Weights are moved off their first values, so that no body gives zeros by itself."""
    graph = small(name)
    module = stir(to_torch(graph))
    inputs = sample_inputs(graph, 2)
    for part in spread(list(find_bodies(graph).values()), 3):
        after, weights = RemoveBodies((part,))(graph, arrays_of(module))
        other = to_torch(after)
        assign_weights(other, after, weights)
        found = run_torch(after, other, inputs)
        assert difference(silence(graph, module, inputs, [part]), found) <= TOLERANCE, part
        assert difference(run_torch(graph, module, inputs), found) > 10 * TOLERANCE, "the control: the whole network"


def test_another_body_would_show() -> None:
    """The control: zeros in the place of another body."""
    graph = small("resnet_digits")
    module, inputs = stir(to_torch(graph)), sample_inputs(graph, 2)
    first, second, *_ = find_bodies(graph).values()
    after, weights = RemoveBodies((first,))(graph, arrays_of(module))
    other = to_torch(after)
    assign_weights(other, after, weights)
    assert difference(silence(graph, module, inputs, [second]), run_torch(after, other, inputs)) > 1000 * TOLERANCE


@pytest.mark.parametrize("name", ["residual_mlp", "resnet_digits", "densenet_bc_100_12", "highway10", "se_net"])
def test_what_is_left_runs_in_onnx_runtime(name: str, tmp_path: Path) -> None:
    graph = small(name)
    module, inputs = stir(to_torch(graph)), sample_inputs(graph, 2)
    parts = list(find_bodies(graph).values())[::2]
    after, weights = RemoveBodies(tuple(parts))(graph, arrays_of(module))
    path = tmp_path / "model.onnx"
    to_onnx(after, weights, path, verify=True)
    expected = silence(graph, module, inputs, parts)
    assert difference(expected, run_onnx(path, inputs)) < 1e-4
    assert difference(run_torch(graph, module, inputs), expected) > 1e-3, "the control: the whole network"


def zeros(graph: Graph) -> WeightArrays:
    """Weights that take no memory."""
    return {name: np.broadcast_to(np.float32(0), weight.shape) for name, weight in graph.weights.items()}


RESIDUAL = sorted(name for name in zoo_specs() if find_bodies(elaborate(load(name))))


@pytest.mark.parametrize("name", RESIDUAL)
def test_each_body_of_the_zoo_can_go(name: str) -> None:
    """The pass verifies the graph and its weights; of many alike, some. Weights keep their names and their order."""
    graph = elaborate(load(name))
    weights = zeros(graph)
    parts = list(find_bodies(graph).values())
    every = len(parts) * len(graph) <= 20_000
    for part in parts if every else spread(parts, 5):
        after, left = RemoveBodies((part,))(graph, weights)
        gone = {id for id in graph.nodes if id not in after.nodes}
        shared = any(graph[id].shared for id in gone)  # whose weights others go on using, and stand with the first
        assert list(left) == [key for key in weights if key in left] or shared
        assert set(left) < set(weights) or part.stays == "zeros" or shared
        assert gone - {part.result}, "a body that was left out leaves no nodes"
        assert all(id.startswith(f"{part.name}.") for id in gone), "and nothing else goes"
        assert {key: after[id].shape for key, id in after.outputs.items()} == {
            key: graph[id].shape for key, id in graph.outputs.items()
        }
    RemoveBodies(tuple(parts))(graph, weights)


def test_what_stays_is_told() -> None:
    stays = [part.stays for part in find_bodies(elaborate(load("resnet20_c"))).values()]
    assert stays == ["shortcut"] * 9, "option C projects everywhere"
    stays = [part.stays for part in find_bodies(elaborate(load("resnet_digits"))).values()]
    assert stays == ["identity", "identity", "shortcut", "identity", "shortcut", "identity"]
    assert {part.stays for part in find_bodies(elaborate(load("densenet121"))).values()} == {"zeros"}


def test_the_channels_of_a_dense_body_become_zeros() -> None:
    graph = elaborate(load("densenet_figure_11_9"))
    first, _ = find_bodies(graph).values()
    after, left = RemoveBodies((first,))(graph, zeros(graph))
    assert after[first.result].op == PadChannels(out=graph[first.result].shape.channels)
    assert after[first.result].body is None
    assert {key: array.shape for key, array in left.items()}.items() <= {
        key: weight.shape for key, weight in graph.weights.items()
    }.items()


def test_a_body_inside_another_goes_with_it(tmp_path: Path) -> None:
    inner = {"residual": {"body": ["relu", {"linear": 4}]}}
    graph = build(tmp_path, [{"residual": {"body": [inner, {"linear": 4}]}}, {"linear": 2}], [4])
    parts = find_bodies(graph)
    assert list(parts) == ["residual_0.body.residual_0", "residual_0"]
    for chosen in (["residual_0"], list(parts), list(reversed(parts))):
        after, left = RemoveBodies(tuple(parts[name] for name in chosen))(graph, zeros(graph))
        assert [node.id for node in after] == ["x", "linear_0"]
        assert list(left) == ["linear_0.weight", "linear_0.bias"]


def test_what_something_else_reads_stays(tmp_path: Path) -> None:
    body = [{"linear": 4}, {"tap": "inside"}, "relu"]
    network = [{"residual": {"body": body}}, {"output": "sum"}, {"from": "inside"}, {"output": "first"}]
    graph = build(tmp_path, network, [4])
    after, left = RemoveBodies(tuple(find_bodies(graph).values()))(graph, zeros(graph))
    assert dict(after.outputs) == {"sum": "x", "first": "residual_0.body.linear_0"}
    assert len(left) == 2


def test_without_its_only_body_a_network_is_its_input(tmp_path: Path) -> None:
    graph = build(tmp_path, [{"residual": {"body": [{"linear": 4}]}}], [4])
    after, left = RemoveBodies(tuple(find_bodies(graph).values()))(graph, zeros(graph))
    assert (dict(after.outputs), dict(left)) == ({"output": "x"}, {})
    path = tmp_path / "nothing.onnx"
    to_onnx(after, left, path, verify=False)
    inputs = sample_inputs(after, 2)
    np.testing.assert_array_equal(run_onnx(path, inputs)["output"], inputs["x"])


def test_nothing_left_out_is_the_same_graph() -> None:
    graph = elaborate(load("resnet_digits"))
    after, left = RemoveBodies(())(graph, zeros(graph))
    assert after.digest() == graph.digest()
    assert list(left) == list(graph.weights)


def test_the_layers_of_a_plain_network() -> None:
    """Those that keep their input's shape, with what follows each: in plain18 all but the first of stages two to four,
    the stem and the classifier; the first stage starts with as many channels as the stem has."""
    graph = elaborate(load("plain18"))
    layers = find_layers(graph)
    assert find_parts(graph) == layers
    assert len(layers) == 4 + 3 * 3
    for part in layers.values():
        assert graph[part.result].op.kind == "relu"
        assert graph[part.result].shape == graph[part.source].shape
        after, left = RemoveBodies((part,))(graph, zeros(graph))
        assert len(graph) - len(after) == 3, "a convolution, its normalization and its ReLU"
        assert len(graph.weights) - len(left) == 5


def test_a_layer_that_something_else_reads_ends_there(tmp_path: Path) -> None:
    network = [{"linear": 4}, {"tap": "t"}, "relu", {"add": [[], [{"from": "t"}]]}, {"linear": 4}, {"max": 1}][:5]
    graph = build(tmp_path, network, [4])
    assert {name: part.result for name, part in find_layers(graph).items()} == {
        "linear_0": "linear_0",
        "linear_1": "linear_1",
    }


def test_a_layer_of_a_network_becomes_its_input(tmp_path: Path) -> None:
    network = [{"linear": 4}, "relu", {"linear": 4}, "relu", {"linear": 2}]
    graph = build(tmp_path, network, [4])
    shorter = build(tmp_path, [*network[:2], {"linear": {"out": 2, "name": "linear_2"}}], [4])
    module, inputs = stir(to_torch(graph)), sample_inputs(graph, 3)
    after, weights = RemoveBodies((find_layers(graph)["linear_1"],))(graph, arrays_of(module))
    other, expected = to_torch(after), to_torch(shorter)
    assign_weights(other, after, weights)
    assign_weights(expected, shorter, weights)
    assert difference(run_torch(shorter, expected, inputs), run_torch(after, other, inputs)) == 0
