"""The graph: what it says of itself, other sizes, other nodes, and its digest."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings

from archspec.ops import Conv, OpError, Shape
from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.graph_check import verify
from tests.archspec.spec.texts import HEAD, graph_of
from tests.support.documents import graph_from
from tests.support.strategies import MODERATE, Document, specs

BRANCHED = HEAD + "network: [conv: 4, add: [[], [relu], [relu]], concat: {branches: [[], [max_pool: 3]], fit: crop}]\n"


def test_nodes_in_order() -> None:
    found = graph_of(HEAD + "network: [conv: 2, relu]\n")
    assert len(found) == 3
    assert [item.id for item in found] == list(found.nodes) == ["x", "conv_0", "relu_0"]
    assert found["conv_0"].op == Conv(out=2)
    assert list(found.inputs) == ["x"]
    assert found.operands(found["relu_0"]) == (Shape(2, 8, 8),)
    assert found.operands(found["x"]) == ()


def test_weights_are_named_by_their_node_in_order() -> None:
    found = graph_of(
        HEAD + "network: [conv: 2, batch_norm, residual: {body: [conv: {out: 2, name: last, bias: false}]}]\n"
    )
    assert list(found.weights) == [
        *("conv_0.weight", "conv_0.bias"),
        *(f"batch_norm_0.{name}" for name in ("weight", "bias", "running_mean", "running_var")),
        "residual_0.body.last.weight",
    ]
    assert found.weights["conv_0.weight"].shape == (2, 4, 3, 3)
    assert list(found.weights_of(found["conv_0"])) == ["conv_0.weight", "conv_0.bias"]
    assert found.weights_of(found["x"]) == {}
    with pytest.raises(TypeError):
        found.weights["more"] = found.weights["conv_0.bias"]  # type: ignore[index]


def test_readers_once_for_each_operand() -> None:
    found = graph_of(HEAD + "network: [relu, add: [[], [], [tanh]]]\n")
    assert found.readers == {
        "x": ("relu_0",),
        "relu_0": ("add_0.branch2.tanh_0", "add_0.add", "add_0.add"),
        "add_0.branch2.tanh_0": ("add_0.add",),
        "add_0.add": (),
    }


def test_digraph_is_the_graph_for_networkx() -> None:
    found = graph_of(BRANCHED)
    digraph = found.digraph
    assert list(digraph) == list(found.nodes)
    assert digraph.nodes["conv_0"]["node"] is found["conv_0"]
    assert nx.is_directed_acyclic_graph(digraph)
    assert digraph.number_of_edges() == sum(len(item.inputs) for item in found)
    crop = "concat_0.crop0"
    assert {key: data["signal"] for *_, key, data in digraph.in_edges(crop, keys=True, data=True)} == {
        0: True,
        1: False,
    }
    assert found[crop].data_inputs == found[crop].inputs[:1]
    assert found["add_0.add"].data_inputs == found["add_0.add"].inputs
    with pytest.raises(nx.NetworkXError):
        digraph.add_node("more")


def test_parallel_edges_are_kept() -> None:
    found = graph_of(HEAD + "network: [add: [[], []]]\n")
    assert found.digraph.number_of_edges("x", "add_0.add") == 2


def test_nothing_can_be_set() -> None:
    found = graph_of(HEAD + "network: [relu]\n")
    with pytest.raises(FrozenInstanceError):
        found.name = "other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        found["relu_0"].shape = Shape(1)  # type: ignore[misc]


# Sizes

SIZED = "archspec: 1\ninputs: {x: [3, H, W]}\nsizes: {H: 8, W: 6}\nnetwork: [conv: {out: 2, stride: 2}, max_pool: 2]\n"


def test_shapes_at_other_sizes() -> None:
    found = graph_of(SIZED)
    assert found.infer({"H": 16}) == {"x": (3, 16, 6), "conv_0": (2, 8, 3), "max_pool_0": (2, 4, 1)}
    larger = found.resize({"W": 32})
    assert larger["max_pool_0"].shape == Shape(2, 2, 8)
    assert larger.sizes == {"H": 8, "W": 32}
    assert found.sizes == {"H": 8, "W": 6}
    assert larger.digest() == graph_of(SIZED, sizes={"W": 32}).digest() != found.digest()
    assert larger["conv_0"].op is found["conv_0"].op
    with pytest.raises(OpError, match="does not fit"):
        found.resize({"H": 1})


@settings(MODERATE, max_examples=60)
@given(specs().filter(lambda document: "sizes" in document))
def test_resizing_is_elaborating_at_other_sizes(document: Document) -> None:
    """Where no expression looks at what depends on the size; such a network is another one at another size."""
    found = graph_from(document)
    doubled = {name: 2 * size for name, size in found.sizes.items()}
    if "in_channels" in str(document) and "flatten" in str(document):
        return
    assert found.resize(doubled).digest() == graph_from(document, sizes=doubled).digest()


# Other nodes


def test_removed_nodes_are_followed() -> None:
    found = graph_of(HEAD + "network: [relu, tanh, elu, output: a, sigmoid, output: b]\n")
    kept = [item for item in found if item.id not in ("tanh_0", "elu_0")]
    shorter = verify(found.with_nodes(kept, {"elu_0": "tanh_0", "tanh_0": "relu_0"}))
    assert shorter["sigmoid_0"].inputs == ("relu_0",)
    assert shorter.outputs == {"a": "relu_0", "b": "sigmoid_0"}
    assert shorter["relu_0"] is found["relu_0"]
    assert found.with_nodes(found).digest() == found.digest()


# Digest


def test_digest_is_of_the_network_and_not_of_its_text() -> None:
    one = graph_of(HEAD + "name: one\nnetwork: [conv: 3 + 1, relu]\n")
    two = graph_of(
        HEAD + "# another text\nname: two\nparams: {w: 4}\nnetwork:\n  - conv: {out: w, kernel: 3}\n  - relu\n"
    )
    assert one.digest() == two.digest()
    assert len(one.digest()) == 64


@pytest.mark.parametrize(
    "network",
    [
        "[conv: 5, relu]", "[conv: {out: 4, bias: false}, relu]", "[conv: 4, tanh]", "[conv: 4, relu, relu]",
        "[relu, conv: 4]", "[conv: {out: 4, name: a}, relu]", "[conv: 4, relu, output: a]",
        "[conv: 4, output: a, relu]", "[conv: {out: 4, init: torch}, relu]", "[residual: {body: [conv: 4, relu]}]",
    ],
)  # fmt: skip
def test_digest_tells_networks_apart(network: str) -> None:
    assert graph_of(f"{HEAD}network: [conv: 4, relu]\n").digest() != graph_of(f"{HEAD}network: {network}\n").digest()


def test_digest_is_the_same_in_every_process() -> None:
    script = "from archspec.spec.load import load; from compiler.elaborate.elaborate import elaborate; "
    command = [sys.executable, "-c", script + "print(elaborate(load('densenet121')).digest())"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONHASHSEED": "7"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == elaborate(load("densenet121")).digest()
