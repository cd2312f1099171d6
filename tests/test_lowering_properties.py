"""Random valid specs: torch and ONNX Runtime agree, parameters are torch's, names are the graph's."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings

from archspec.api import accepted_sizes, to_torch
from compiler.analysis.cost import measure_cost
from tests.documents import graph_from
from tests.lowering import TOLERANCE, difference, export, run_onnx, run_torch, sample_inputs, stir
from tests.strategies import specs

relaxed = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@relaxed
@given(specs())
def test_torch_and_onnx_runtime_agree(document: dict[str, Any]) -> None:
    graph = graph_from(document)
    module = stir(to_torch(graph))
    assert set(module.state_dict()) == set(graph.weights)
    assert measure_cost(graph).parameters == sum(p.numel() for p in module.parameters() if p.requires_grad)
    larger = {name: rule.value + rule.step for name, rule in accepted_sizes(graph).items() if rule.dynamic}
    with tempfile.TemporaryDirectory() as folder:
        path = export(graph, module.state_dict(), Path(folder))
        for batch, sizes in ((1, {}), (3, larger)):
            inputs = sample_inputs(graph, batch, sizes)
            expected = run_torch(graph, module, inputs)
            shapes = graph.infer(sizes)
            assert {name: value.shape[1:] for name, value in expected.items()} == {
                name: tuple(shapes[id]) for name, id in graph.outputs.items()
            }
            assert difference(expected, run_onnx(path, inputs)) < TOLERANCE, json.dumps(document)
