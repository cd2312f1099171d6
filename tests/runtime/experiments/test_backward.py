"""The graded backward pass: against torch's own gradient, and against sums over paths taken one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.api import elaborate, load, to_torch
from compiler.graph import Graph
from runtime.experiments.backward import NodeStep, carry_back, run_forward
from runtime.training.module_outputs import name_outputs
from tests.support.runs import build

BATCH = 4


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The networks are so small that threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def chain(folder: Path, blocks: int, body: list[Any]) -> Graph:
    return build(folder, [{"repeat": {"n": blocks, "body": [{"residual": {"body": body}}]}}], [6])


@dataclass(frozen=True)
class Drawn:
    """A fresh network in float64, with inputs for it and gradients at its outputs."""

    graph: Graph
    module: nn.Module
    inputs: dict[str, Tensor]
    ends: list[tuple[str, Tensor]]

    def run(self) -> list[NodeStep]:
        torch.manual_seed(0)
        return run_forward(self.graph, self.module, self.inputs)

    def grade(self) -> Tensor:
        """The graded gradients, (grades, numbers of all inputs)."""
        return carry_back(self.graph, self.run(), self.ends)

    def differentiate(self) -> Tensor:
        """torch's own gradient, through the whole module at once."""
        inputs = [value.clone().requires_grad_() for value in self.inputs.values()]
        torch.manual_seed(0)
        values = name_outputs(self.module(*inputs)).values()
        parts = torch.autograd.grad(list(values), inputs, [gradient for _, gradient in self.ends])
        return torch.cat([part.flatten() for part in parts])


def draw(graph: Graph) -> Drawn:
    generator = torch.Generator().manual_seed(0)

    def normal(id: str) -> Tensor:
        return torch.randn(BATCH, *graph[id].shape, generator=generator, dtype=torch.float64)

    module = to_torch(graph).double().train().requires_grad_(False)
    ends = [(id, normal(id)) for id in graph.outputs.values()]
    return Drawn(graph, module, {id: normal(id) for id in graph.inputs}, ends)


NETWORKS: list[tuple[str, list[Any], list[int], dict[str, Any]]] = [
    ("chain", [{"repeat": {"n": 5, "body": [{"residual": {"body": ["relu", {"linear": 6}]}}]}}], [6], {}),
    (
        "cnn with normalization",
        [
            {"conv": 4},
            {
                "repeat": {
                    "each": {"width": [4, 6]},
                    "body": [
                        {
                            "residual": {
                                "body": [
                                    "batch_norm",
                                    "relu",
                                    {"conv": {"out": "width", "stride": 2}},
                                    {"max_pool": 2},
                                ],
                                "project": [{"conv": {"out": "width", "kernel": 1, "stride": 4}}],
                            }
                        }
                    ],
                }
            },
            "global_avg_pool",
            "flatten",
            {"linear": 3},
        ],
        [3, 16, 16],
        {},
    ),
    ("dense block", [{"dense": {"n": 4, "body": ["batch_norm", "relu", {"conv": 2}]}}], [3, 6, 6], {}),
    (
        "two outputs",
        [
            {"residual": {"body": ["tanh", {"linear": 6}]}},
            {"output": "early"},
            {"residual": {"body": ["tanh", {"linear": 6}]}},
            {"linear": 2},
            {"output": "late"},
        ],
        [6],
        {},
    ),
    (
        "gates and blocks in blocks",
        [
            {
                "residual": {
                    "body": [
                        {"mul": [[], [{"linear": 6}, "sigmoid"]]},
                        {"residual": {"body": ["tanh", {"linear": 6}]}},
                        {"add": [[], [], ["relu"]]},
                    ]
                }
            }
        ],
        [6],
        {},
    ),
    (
        "shake and dropout",
        [{"residual": {"body": [{"shake": [["relu", {"conv": 2}], ["tanh", {"conv": 2}]]}, {"dropout": 0.3}]}}],
        [2, 5, 5],
        {},
    ),
]


@pytest.mark.parametrize(("name", "network", "shape", "more"), NETWORKS, ids=[row[0] for row in NETWORKS])
def test_grades_add_up_to_the_gradient(
    tmp_path: Path, name: str, network: list[Any], shape: list[int], more: dict[str, Any]
) -> None:
    graph = build(tmp_path, network, shape, **more)
    drawn = draw(graph)
    parts, whole = drawn.grade(), drawn.differentiate()
    assert torch.allclose(parts.sum(0), whole, rtol=1e-10, atol=1e-12)
    assert len(parts) > 1
    for part in parts:  # without any one grade it is another gradient
        assert not torch.allclose(parts.sum(0) - part, whole, rtol=1e-10, atol=1e-12) or not part.any()


@pytest.mark.parametrize("name", ["unet_plus_plus", "highway10", "se_net", "densenet_figure_11_9", "hourglass1"])
def test_grades_add_up_in_networks_of_the_zoo(name: str) -> None:
    sizes = {"unet_plus_plus": 32, "se_net": 8, "hourglass1": 64}
    graph = elaborate(load(name), dict.fromkeys(("H", "W"), sizes[name]) if name in sizes else {})
    drawn = draw(graph)
    assert torch.allclose(drawn.grade().sum(0), drawn.differentiate(), rtol=1e-9, atol=1e-11)


def test_each_grade_is_the_sum_over_its_paths(tmp_path: Path) -> None:
    """All C(4, k) paths of a chain of four, one by one, as products of Jacobians."""
    graph = chain(tmp_path, 4, ["tanh", {"linear": 6}])
    drawn = draw(graph)
    steps, parts = drawn.run(), drawn.grade()
    blocks = [node.id for node in graph if node.body]
    for length in range(5):
        taken = [{id: int(id in bodies) for id in blocks} for bodies in combinations(blocks, length)]
        paths = [carry_back(graph, steps, drawn.ends, choice).sum(0) for choice in taken]
        assert len(paths) == comb(4, length)
        assert torch.allclose(torch.stack(paths).sum(0), parts[length], rtol=1e-10, atol=1e-12)
