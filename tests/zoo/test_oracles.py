"""Every spec of the zoo against figures that the project did not compute: published ones, and torchvision's own models.

`oracles.json` holds the figures with their sources. MACs count the weights of convolutions and linear layers for one
sample; buffers leave BatchNorm's counter out, which torchvision's own figures hold.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec.spec.load import load
from archspec.spec.zoo import zoo_specs
from compiler.analysis.cost import measure_cost
from compiler.analysis.paths import count_paths
from compiler.elaborate import elaborate
from compiler.graph import Graph
from tests.torchvision_models import build_on_meta

ORACLES: dict[str, dict[str, Any]] = {
    row["name"]: row for row in json.loads(Path(__file__).with_name("oracles.json").read_text(encoding="utf-8"))
}

WITHOUT_ORACLE = {"resnet_digits"}
"""Specs of the project's own design."""

EDITED: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "resnet20 with projections": ("resnet20", {}, {"cifar_block": "basic_block"}),
    "unet with same convolutions": ("unet", {"classes": 1}, {"padding: 0": "padding: same"}),
    **{
        f"hourglass of bearpaw, {stacks}": (
            "hourglass2",
            {"stacks": int(stacks[0])},
            {
                "- max_pool: 2\n  - unit: {channels: 128}": "- max_pool: 2\n  - unit: {channels: features}",
                "- hourglass\n": "- hourglass\n        - unit: {channels: features}\n",
            },
        )
        for stacks in ("1 stack", "2 stacks")
    },
}
"""Other people's versions of a network: the spec, its params, and what is written otherwise in it."""

PEERS: list[tuple[str, str, dict[str, Any]]] = [
    *(
        (name, name, {})
        for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "densenet121", "vgg16")
    ),
    ("densenet169", "densenet121", {"depths": [6, 12, 32, 32]}),
    ("densenet201", "densenet121", {"depths": [6, 12, 48, 32]}),
    ("densenet161", "densenet121", {"depths": [6, 12, 36, 24], "growth": 48}),
    ("vgg11", "vgg16", {"convs": [1, 1, 2, 2, 2]}),
    ("vgg13", "vgg16", {"convs": [2, 2, 2, 2, 2]}),
    ("vgg19", "vgg16", {"convs": [2, 2, 4, 4, 4]}),
]
"""A model of torchvision, and the spec with the params that make it."""


@cache
def at_home(name: str) -> Graph:
    return elaborate(load(name))


def compare(graph: Graph, oracle: Mapping[str, Any]) -> None:
    """Compare the figures that the oracle has."""
    assert graph.sizes == oracle["sizes"]
    cost = measure_cost(graph)
    found = {"parameters": cost.parameters, "buffers": cost.buffers, "macs": cost.macs["conv-linear"]}
    assert found == {key: oracle.get(key, figure) for key, figure in found.items()}
    assert cost.frozen == 0
    if "paths" in oracle:
        paths = count_paths(graph, by_length=False).op
        by_output = {name: level.total for name, level in (paths.by_output or {}).items()} or {"output": paths.total}
        assert by_output == oracle["paths"]


def test_every_spec_has_an_oracle_or_says_that_it_has_none() -> None:
    assert set(zoo_specs()) == set(ORACLES) - set(EDITED) | WITHOUT_ORACLE
    assert not set(ORACLES) & WITHOUT_ORACLE


@pytest.mark.parametrize("name", sorted(set(ORACLES) - set(EDITED)))
def test_spec_equals_its_oracle(name: str) -> None:
    compare(at_home(name), ORACLES[name])


@pytest.mark.parametrize("name", EDITED)
def test_edited_spec_equals_the_oracle_of_another_version(name: str, tmp_path: Path) -> None:
    base, params, changes = EDITED[name]
    text = zoo_specs()[base].read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "edited.yaml"
    file.write_text(text, encoding="utf-8")
    compare(elaborate(load(file, params), ORACLES[name]["sizes"]), ORACLES[name])


@pytest.mark.parametrize(("peer", "name", "params"), PEERS, ids=[peer for peer, _, _ in PEERS])
def test_spec_equals_torchvisions_model(peer: str, name: str, params: Mapping[str, Any]) -> None:
    graph, model = elaborate(load(name, params)), build_on_meta(peer)
    buffers = [buffer for key, buffer in model.named_buffers() if not key.endswith("num_batches_tracked")]
    with FlopCounterMode(display=False) as counter:
        result = model(torch.empty(1, 3, 224, 224, device="meta"))
    cost = measure_cost(graph)
    assert cost.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert cost.buffers == sum(buffer.numel() for buffer in buffers)
    assert cost.macs["flops"] == counter.get_total_flops()
    assert graph[graph.outputs["output"]].shape == result.shape[1:]


@pytest.mark.parametrize("peer", ["resnet50", "densenet121", "vgg16"])
def test_stored_shapes_are_torchvisions(peer: str) -> None:
    state = build_on_meta(peer).state_dict()
    theirs = sorted(tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked"))
    assert sorted(weight.shape for weight in at_home(peer).weights.values()) == theirs
