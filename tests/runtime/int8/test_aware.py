"""Training in integers wins back what calibration loses, and the exported file has it."""

from __future__ import annotations

import logging

import pytest
import torch

from archspec.api import to_torch
from compiler.onnx_target.int8.scheme import Int8Recipe
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import Target
from runtime.data.registry import load_data
from runtime.int8.aware import measure_scheme, prepare_aware_training, quantize_module
from runtime.int8.data import open_calibration_data
from runtime.int8.quantize import calibrate
from tests.support.documents import graph_from
from tests.support.lowering import stir

NETWORK = {
    "archspec": 1,
    "inputs": {"image": [1, 8, 8]},
    "network": [{"conv": 4}, "relu", {"scale": {"trainable": True}}, {"conv": 2}, "flatten", {"linear": 10}],
}


@pytest.mark.parametrize(("recipe", "target"), [("u8s8", "any"), ("s8s8", "tensorrt")])
def test_scales_are_those_of_an_export(recipe: Int8Recipe, target: Target) -> None:
    """From the training images, as `export --precision int8 --data digits` takes them."""
    graph = graph_from(NETWORK)
    weights = stir(to_torch(graph)).state_dict()
    found = measure_scheme(graph, weights, load_data("digits"), recipe)
    model = build_model(graph, {name: value.numpy() for name, value in weights.items()})
    images = open_calibration_data("digits", graph, model.metadata)
    expected = calibrate(model, images, target=target).scheme
    assert found.scheme.recipe == recipe
    assert found.scheme.ranges == {name: expected.ranges[name] for name in found.scheme.ranges}
    assert len(found.plan_for(model, target).layers) == 3
    assert (found.data, found.images) == ("digits", 1000)


def test_weights_that_learn_nothing_are_named(caplog: pytest.LogCaptureFixture) -> None:
    graph = graph_from(NETWORK)
    weights = to_torch(graph).state_dict()  # whose scale is one, and is left out
    data = load_data("digits")
    with caplog.at_level(logging.WARNING):
        module = prepare_aware_training(graph, weights, measure_scheme(graph, weights, data))
    assert "scale_0.factor change nothing in the int8 file" in caplog.text
    module(torch.from_numpy(data.held_out.images[:2])).sum().backward()
    assert module.get_parameter("scale_0.factor").grad is None
    caplog.clear()
    moved = {**weights, "scale_0.factor": torch.tensor(0.5)}
    prepare_aware_training(graph, moved, measure_scheme(graph, moved, data))
    assert not caplog.text


def test_a_module_becomes_one_in_integers() -> None:
    graph, data = graph_from(NETWORK), load_data("digits")
    module = stir(to_torch(graph))
    found, facts = quantize_module(graph, module, data, "s8s8", reduce_range=True)
    trained = measure_scheme(graph, module.state_dict(), data, "s8s8", reduce_range=True)
    assert facts == trained.to_metadata()
    images = torch.from_numpy(data.held_out.images[:4])
    with torch.no_grad():
        expected = prepare_aware_training(graph, module.state_dict(), trained)(images)
        assert torch.equal(found(images), expected)
        again, same = quantize_module(graph, stir(to_torch(graph), seed=1), data, earlier=facts)
        assert same == facts  # the scales of a training that goes on, whatever the weights are now
        assert not torch.equal(again(images), expected)
