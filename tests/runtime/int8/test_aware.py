"""Training in integers wins back what calibration loses, and the exported file has it."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import torch

from archspec.api import to_torch
from archspec.errors import InputError
from compiler.onnx_target.int8.scheme import Int8Recipe
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import Target
from runtime.data.registry import load_data
from runtime.int8.aware import (
    AwareTraining,
    choose_reshaping,
    measure_scheme,
    prepare_aware_training,
    quantize_module,
)
from runtime.int8.data import open_calibration_data
from runtime.int8.quantize import calibrate
from runtime.recipes.recipe import Recipe
from runtime.training.nonfinite import find_nonfinite
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


def test_weights_that_learn_nothing_want_no_gradient() -> None:
    """Several processes would wait for it."""
    graph, data = graph_from(NETWORK), load_data("digits")
    module, _ = quantize_module(graph, to_torch(graph), data)
    wanted = {name for name, weight in module.named_parameters() if weight.requires_grad}
    module(torch.from_numpy(data.held_out.images[:2])).sum().backward()
    assert wanted == {name for name, weight in module.named_parameters() if weight.grad is not None}
    assert "scale_0.factor" not in wanted


def test_what_is_computed_has_a_hash() -> None:
    """Of equal passes, whatever the weights and scales are; what an exact zero leaves out is something else."""
    graph, data = graph_from(NETWORK), load_data("digits")
    first, facts = quantize_module(graph, stir(to_torch(graph)), data)
    assert quantize_module(graph, stir(to_torch(graph), seed=1), data)[0].digest() == first.digest()
    others = [
        quantize_module(graph, to_torch(graph), data, earlier=facts)[0],  # whose scale is one
        quantize_module(graph, stir(to_torch(graph)), data, "s8s8")[0],
        quantize_module(graph, stir(to_torch(graph)), data, reduce_range=True)[0],
    ]
    assert len({first.digest(), *(other.digest() for other in others)}) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"precision": "fp16"}, "precision: fp16 is not for a training in integers (u8s8): everything is computed in"),
        ({"precision": "bf16"}, "precision: bf16 is not for"),
        ({"batch": "auto"}, "batch: auto is not for"),
        ({"compile": True}, "compile: true is not for"),
        ({"sync_batch_norm": True}, "sync_batch_norm: true is not for"),
        ({"ramp_drop": True}, "ramp_drop: true is not for"),
        ({"fsdp": True}, "fsdp: true is not for"),
    ],
)
def test_recipes_that_integers_cannot_follow_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        AwareTraining("u8s8").settle(Recipe().model_copy(update=fields))


def test_an_open_precision_is_float32() -> None:
    found = AwareTraining("s8s8").settle(Recipe(precision="auto", memory_format="auto", batch=1, ema=0.9))
    assert found == Recipe(precision="fp32", memory_format="auto", batch=1, ema=0.9)


def test_what_is_asked_for_is_checked() -> None:
    assert choose_reshaping(None) is None
    assert choose_reshaping("s8s8", True) == AwareTraining("s8s8", True)
    assert AwareTraining("s8s8", True).words == ("--quantize", "s8s8", "--reduce-range")
    with pytest.raises(InputError, match="`quantize` is u8s8 or s8s8, found 'int8'"):
        choose_reshaping("int8")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`reduce_range` is True or False, found 7"):
        choose_reshaping("u8s8", 7)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="`reduce_range` is about a training in integers"):
        choose_reshaping(None, True)


def test_a_number_that_is_not_finite_is_found_in_integers_too() -> None:
    """By the layer whose weights brought it about: the first that is called with them."""
    graph, data = graph_from(NETWORK), load_data("digits")
    module, _ = quantize_module(graph, stir(to_torch(graph)), data)
    images = torch.from_numpy(data.held_out.images[:3])
    assert find_nonfinite(module, images, lambda: None) is None
    with torch.no_grad():
        module.get_parameter("conv_1.weight").mul_(torch.nan)
    found = find_nonfinite(module, images, lambda: None)
    assert found is not None
    assert (found.node, found.rows) == ("'conv_1'", (0, 1, 2))
