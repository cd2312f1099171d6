"""Whole networks in the forms for CPUs, against torch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from archspec.api import elaborate, load
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import to_bytes
from compiler.passes.base import trace_value
from compiler.torch_target.module import build_module
from tests.support.forms import run_model
from tests.support.lowering import TOLERANCE, Arrays, difference, run_torch, sample_inputs
from tests.support.rewriting import stirred

FOR_CPU = ExportOptions(target="cpu")
NETWORKS: list[tuple[str, Mapping[str, int | bool], str]] = [
    ("densenet_40_12", {"layers": 8}, "split kernels"),
    ("densenet_bc_100_12", {"layers": 5}, "fill channels"),
    ("resnet20", {}, "pad by kernel"),
    ("resnext29_32x4d", {}, "join groups"),
]


@pytest.mark.parametrize(("name", "params", "form"), NETWORKS, ids=[name for name, *_ in NETWORKS])
def test_networks_compute_the_same(name: str, params: Mapping[str, int | bool], form: str) -> None:
    graph = elaborate(load(name, params))
    weights = stirred(graph)
    module = build_module(graph, weights)
    model = build_model(graph, weights, options=FOR_CPU)
    assert next(step for step in model.steps if step.name == form).done
    for batch, sizes in ((1, {"H": 32, "W": 32}), (2, {"H": 16, "W": 24})):
        inputs = sample_inputs(graph, batch, sizes)
        assert difference(run_torch(graph, module, inputs), run_model(to_bytes(model), inputs)) < TOLERANCE


def test_control_other_weights_show() -> None:
    graph = elaborate(load("densenet_40_12", {"layers": 8}))
    one, other = (to_bytes(build_model(graph, stirred(graph, seed), options=FOR_CPU)) for seed in (0, 1))
    inputs = sample_inputs(graph, 1)
    assert difference(run_model(one, inputs), run_model(other, inputs)) > 100 * TOLERANCE


def test_values_are_those_that_the_journals_name() -> None:
    """Every node that claims to compute what one did before has its shape; the passes' own tests compare values."""
    graph = elaborate(load("densenet_bc_100_12", {"layers": 4}))
    weights = stirred(graph)
    model = build_model(graph, weights, options=FOR_CPU)
    given = {node.id: trace_value(model.steps, node.id) for node in model.graph if node.inputs}
    claimed = {id: value for id, value in given.items() if value is not None}
    assert 0 < len(claimed) < len(given)
    widths = {id: (model.graph[id].shape, graph[value].shape) for id, value in claimed.items()}
    assert all(after == before for after, before in widths.values())


def test_the_same_bytes_each_time() -> None:
    graph = elaborate(load("densenet_40_12", {"layers": 4}))
    weights: Arrays = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    one, other = (to_bytes(build_model(graph, weights, options=FOR_CPU)) for _ in range(2))
    assert one == other
