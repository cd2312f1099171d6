"""The metric of each output is the task's own, or how far the answers agree."""

from __future__ import annotations

import pytest

from archspec.api import to_torch
from archspec.errors import ArchspecError
from compiler.onnx_target.model import build_model
from runtime.data.registry import describe_data, load_data
from runtime.int8.data import open_calibration_data
from runtime.int8.quantize import quantize
from tests.support.documents import graph_from
from tests.support.lowering import stir
from tests.support.processors import needs_whole_sums


@pytest.mark.parametrize("task", ["digit_maps", "digit_points"])
@needs_whole_sums
def test_other_tasks_are_judged_by_their_own_metric(task: str) -> None:
    dataset = load_data(task)
    channels, classes = dataset.preprocess.channels, len(dataset.classes)
    body = [{"conv": {"out": 8, "kernel": 3}}, "relu", {"conv": {"out": classes, "kernel": 1}}]
    graph = graph_from({"archspec": 1, "inputs": {"image": [channels, *dataset.preprocess.shape[1:]]}, "network": body})
    weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
    model = build_model(graph, weights, metadata=describe_data(dataset))
    data = open_calibration_data(task, graph, model.metadata)
    report = quantize(model, data.sample(10)).report
    loss = report.loss.last
    assert (loss.metric, report.loss.images) == ({"digit_maps": "mean_iou", "digit_points": "pck"}[task], 120)
    assert loss.sqnr_db is not None
    assert loss.sqnr_db > 20


def test_a_data_set_that_asks_something_else() -> None:
    body = ["flatten", {"linear": 7}]
    graph = graph_from({"archspec": 1, "inputs": {"image": [1, 8, 8]}, "network": body})
    model = build_model(graph, {name: value.numpy() for name, value in to_torch(graph).state_dict().items()})
    with pytest.raises(ArchspecError, match="gives 7 numbers per image; digits has 10 classes"):
        quantize(model, open_calibration_data("digits", graph, model.metadata).sample(10))
