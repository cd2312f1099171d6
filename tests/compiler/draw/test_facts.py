"""How a page parts the cost of a network, and names its places."""

from __future__ import annotations

import pytest

from archspec.api import analyze, elaborate, load
from archspec.errors import NOWHERE, Place
from archspec.ops import AvgPool, Conv, Input, Op, Shape, Upsample
from archspec.spec.zoo import ZOO
from compiler.analysis.cost.cost import measure_cost
from compiler.draw.facts import MAX_PARTS, split_cost, tell_place
from compiler.graph import Graph, Node, NodeSource

HERE = NodeSource(Place("here"))


def chain(*steps: tuple[str, Op, Shape]) -> Graph:
    nodes = [Node("x", Input(dims=(4, 32, 32)), (), Shape(4, 32, 32), HERE)]
    for id, op, shape in steps:
        nodes.append(Node(id, op, (nodes[-1].id,), shape, HERE))
    return Graph("chain", {node.id: node for node in nodes}, {"y": nodes[-1].id})


@pytest.mark.parametrize("name", ["resnet50", "unet", "residual_mlp", "mobilenet_v2", "hourglass2"])
def test_the_parts_are_the_whole(name: str) -> None:
    graph = elaborate(load(name))
    cost = analyze(graph).cost
    parts = split_cost(graph, cost)
    assert sum(part.macs["conv-linear"] for _, part in parts.costs) == cost.macs["conv-linear"]
    assert sum(part.parameters for _, part in parts.costs) == cost.parameters
    assert len(parts.costs) <= MAX_PARTS
    assert parts.word == ("operation" if name == "residual_mlp" else "stage")


def test_many_stages_are_parted_by_their_maps() -> None:
    """As when a network goes down and up again and again."""
    down, conv = AvgPool(kernel=2, stride=2), Conv(out=4)
    steps: list[tuple[str, Op, Shape]] = []
    for turn in range(40):
        steps.append((f"down{turn}", down, Shape(4, 16, 16)))
        steps.append((f"conv{turn}", conv, Shape(4, 16, 16)))
        steps.append((f"up{turn}", Upsample(scale=2), Shape(4, 32, 32)))
        steps.append((f"high{turn}", conv, Shape(4, 32, 32)))
    graph = chain(*steps)
    cost = measure_cost(graph)
    assert len(cost.stages) > MAX_PARTS
    parts = split_cost(graph, cost)
    assert parts.word == "map"
    assert sorted(name for name, _ in parts.costs) == ["16×16", "32×32"]
    assert sum(part.macs["conv-linear"] for _, part in parts.costs) == cost.macs["conv-linear"]


def test_what_is_nearly_all_in_one_stage_is_parted_by_operation() -> None:
    graph = chain(("conv", Conv(out=64), Shape(64, 32, 32)), ("more", Conv(out=64), Shape(64, 32, 32)))
    parts = split_cost(graph, measure_cost(graph))
    assert (parts.word, [name for name, _ in parts.costs]) == ("operation", ["conv"])


def test_a_place_tells_nothing_of_this_machine() -> None:
    assert tell_place(Place(str(ZOO / "blocks" / "squeeze_excite.yaml"), 17, 5)) == "blocks/squeeze_excite.yaml:17:5"
    assert tell_place(Place("/home/someone/secret/net.yaml", 3, 1)) == "net.yaml:3:1"
    assert tell_place(Place("nets/net.yaml", 3, 1)) == "nets/net.yaml:3:1"
    assert tell_place(NOWHERE) == ""
