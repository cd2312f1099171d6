"""Every spec of the zoo against figures that the project did not compute: published ones, torchvision's own models, and
networks that the tests write in plain torch. `facts/*.json` holds the figures with their sources.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from archspec.spec.load import load
from archspec.spec.zoo import zoo_specs
from archspec.weights import find_rules
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.elaborate.elaborate import elaborate
from tests.support.torchvision_models import build_on_meta
from tests.zoo.rows import NAMES, ROWS, at_home, read_rows

PEERS = {
    name: found[1]
    for name, row in ROWS.items()
    if (found := re.search(r"torchvision[^;]*?'s (?:own )?model (\w+)", row.figures))
}
"""Specs that a model of torchvision is the witness of, by their names."""

BEARPAW: list[tuple[int, int, int]] = [(1, 3_586_960, 5_804_654_592), (2, 6_730_912, 8_988_917_760)]
"""Stacks, parameters and MACs at 256×256 of pose/models/hourglass.py in bearpaw/pytorch-pose @26551c81."""


def test_every_spec_has_one_row() -> None:
    names = [row.name for row in read_rows()]
    assert sorted(names) == sorted(zoo_specs())


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_those_of_its_row(name: str) -> None:
    row, graph = ROWS[name], at_home(name)
    assert graph.sizes == row.sizes
    cost = measure_cost(graph)
    assert (cost.parameters, cost.macs["conv-linear"]) == (row.parameters, row.macs)
    assert row.buffers in (None, cost.buffers)
    assert cost.frozen == 0
    assert row.figures


@pytest.mark.parametrize("name", [name for name in NAMES if ROWS[name].paths])
def test_paths_are_those_of_its_row(name: str) -> None:
    graph = at_home(name)
    paths = count_paths(graph, by_length=False).op
    (first, *_) = graph.outputs
    found = {output: level.total for output, level in (paths.by_output or {}).items()} or {first: paths.total}
    assert found == ROWS[name].paths


@pytest.mark.parametrize("name", sorted(PEERS))
def test_figures_are_torchvisions(name: str) -> None:
    graph, model = at_home(name), build_on_meta(PEERS[name])
    rules = [rules for rules in find_rules(name, load(name).params) if "torchvision" in rules.sources]

    def is_ours(key: str) -> bool:
        return not key.endswith("num_batches_tracked") and not any(one.leaves_out(key) for one in rules)

    buffers = [buffer for key, buffer in model.named_buffers() if is_ours(key)]
    with FlopCounterMode(display=False) as counter:
        result = model(*(torch.empty(1, *node.shape, device="meta") for node in graph.inputs.values()))
    cost = measure_cost(graph)
    assert cost.parameters == sum(parameter.numel() for key, parameter in model.named_parameters() if is_ours(key))
    assert cost.buffers == sum(buffer.numel() for buffer in buffers)
    assert cost.macs["flops"] == counter.get_total_flops()
    result = result["out"] if isinstance(result, dict) else result  # a network for segmentation names it
    assert graph[graph.outputs["output"]].shape == result.shape[1:]


@pytest.mark.parametrize("peer", ["resnet50", "densenet121", "vgg16"])
def test_stored_shapes_are_torchvisions(peer: str) -> None:
    state = build_on_meta(peer).state_dict()
    theirs = sorted(tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked"))
    assert sorted(weight.shape for weight in at_home(peer).weights.values()) == theirs


@pytest.mark.parametrize(("stacks", "parameters", "macs"), BEARPAW)
def test_hourglass_with_what_a_common_implementation_adds(
    stacks: int, parameters: int, macs: int, tmp_path: Path
) -> None:
    text = zoo_specs()["hourglass2"].read_text(encoding="utf-8")
    changes = {
        "- max_pool: 2\n  - unit: {channels: 128}": "- max_pool: 2\n  - unit: {channels: features}",
        "- hourglass\n": "- hourglass\n        - unit: {channels: features}\n",
    }
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "edited.yaml"
    file.write_text(text, encoding="utf-8")
    cost = measure_cost(elaborate(load(file, {"stacks": stacks}), {"H": 256, "W": 256}))
    assert (cost.parameters, cost.macs["conv-linear"]) == (parameters, macs)
