"""A fake-quantized module computes what its int8 file does: value by value, and with gradients for every weight."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from compiler.graph import Graph
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme
from runtime.int8.fake_quantized import prepare_fake_quantized
from runtime.training.module_outputs import name_outputs
from tests.support.documents import graph_from
from tests.support.fake_quantized import Agreement, Twins, draw
from tests.support.lowering import stir
from tests.support.strategies import MODERATE, Document, specs

RECIPES: tuple[Int8Recipe, ...] = ("u8s8", "s8s8")

TIES = 1e-3
"""The largest share of a value's numbers that may be one integer apart: those that lie between two, but for the last
digit of a sum."""

DIGITS = 1e-5
"""How far float outputs may be apart, as a part of the largest: sums in another order."""

DEPTHWISE = {
    "archspec": 1,
    "inputs": {"x": [3, 12, 12]},
    "defaults": {"conv": {"bias": False}},
    "network": [
        {"conv": {"out": 8, "kernel": 3}},
        "norm",
        "relu6",
        {"conv": {"out": 8, "kernel": 3, "groups": 8, "stride": 2}},
        "norm",
        "relu6",
        {"conv": {"out": 16, "kernel": 1}},
        "norm",
        {"residual": {"body": [{"conv": {"out": 16, "kernel": 3, "groups": 16}}, "norm", "silu", {"conv": 16}]}},
        "global_avg_pool",
        "flatten",
        {"linear": 10},
    ],
}
PRE_ACTIVATION = {
    "archspec": 1,
    "inputs": {"x": [4, 8, 8]},
    "network": [
        {"conv": {"out": 8, "kernel": 3}},
        {"residual": {"body": ["norm", "relu", {"conv": {"out": 8, "kernel": 3}}]}},
        "norm",
        "relu",
        {"conv": {"out": 8, "kernel": 1}},
        {"output": "inner"},
        {"conv": {"out": 4, "kernel": 1}},
        {"output": "last"},
    ],
}
GATES = {
    "archspec": 1,
    "inputs": {"x": [4, 8, 8]},
    "network": [
        {"conv": {"out": 8, "kernel": 3}},
        "relu",
        {"mul": [[], ["global_avg_pool", {"conv": {"out": 8, "kernel": 1}}, "sigmoid"]]},
        {"add": [[], [{"conv": {"out": 8, "kernel": 1}}], [{"conv": {"out": 8, "kernel": 3}}]]},
        {"mul": [[], ["global_avg_pool", {"channel_conv": 3}, "sigmoid"]]},
        {"conv": {"out": 4, "kernel": 3, "weight_norm": True}},
        {"conv_transpose": {"out": 4, "kernel": 2, "stride": 2}},
        {"conv": {"out": 4, "kernel": 3, "standardize": True}},
    ],
}
ROWS = {
    "archspec": 1,
    "inputs": {"x": [8, 6, 6]},
    "network": [
        {"conv": {"out": 16, "kernel": 3}},
        {
            "residual": {
                "body": [
                    {"layer_norm": {"over": "channels"}},
                    {"conv": {"out": 32, "kernel": 1}},
                    "gelu",
                    {"conv": {"out": 16, "kernel": 1}},
                ]
            }
        },
        {"conv": {"out": 8, "kernel": 3}},
    ],
}
UNET = {
    "archspec": 1,
    "inputs": {"x": [1, 16, 16]},
    "network": [
        {"conv": 4},
        "norm",
        "relu",
        {
            "concat": [
                [],
                [{"max_pool": 2}, {"conv": 8}, "norm", "relu", {"upsample": {"scale": 2, "mode": "linear"}}],
                [{"max_pool": 2}, {"conv": 6}, {"conv_transpose": {"out": 6, "kernel": 2, "stride": 2}}],
                [{"max_pool": 2}, {"conv": 6}, {"upsample": 2}],
            ]
        },
        {"conv": 4},
        "norm",
        "relu",
        {"conv": {"out": 3, "kernel": 1}},
    ],
}
DOCUMENTS: dict[str, dict[str, Any]] = {
    "depthwise": DEPTHWISE,
    "pre-activation": PRE_ACTIVATION,
    "gates": GATES,
    "rows": ROWS,
    "U-Net": UNET,
}
PARAMS: dict[str, dict[str, Any]] = {
    "resnet_digits": {"depths": [1, 1, 1], "widths": [4, 8, 8]},
    "residual_mlp": {"blocks": 2, "width": 16},
}
SIZES = {"unet_bn": {"H": 32, "W": 32}, "hourglass2": {"H": 64, "W": 64}}

NETWORKS = ("resnet_digits", "residual_mlp", *DOCUMENTS)
LARGE = (
    *("unet_bn", "hourglass2", "mobilenet_v2", "densenet121", "shufflenet_v2_x0_5", "ecaresnet50d", "convnext_tiny"),
    "transformer_encoder",
)


def find_graph(name: str) -> Graph:
    if name in DOCUMENTS:
        return graph_from(DOCUMENTS[name])
    return elaborate(load(name, params=PARAMS.get(name)), SIZES.get(name))


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_value_is_the_files(name: str, recipe: Int8Recipe) -> None:
    graph = find_graph(name)
    twins = Twins.make(graph, recipe, draw(graph, 4))
    images = draw(graph, 4, seed=1)
    found = twins.compare(images)
    assert found.values > 2
    hold(found, twins)
    # the control: scales that are a tenth too large, in the file alone
    wide = {name: (1.1 * low, 1.1 * high) for name, (low, high) in twins.scheme.ranges.items()}
    other = replace(twins, scheme=replace(twins.scheme, ranges=wide)).compare(images)
    assert other.steps > 1
    assert other.share > 20 * TIES


def hold(found: Agreement, twins: Twins, ties: float = TIES) -> None:
    """A number that lies between two integers may go either way; nothing else differs."""
    assert found.steps <= 1.01
    assert found.share < ties
    for name, apart in found.outputs.items():
        assert name in twins.plan.values or apart < DIGITS


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", LARGE)
def test_every_value_is_the_files_in_large_networks(name: str, recipe: Int8Recipe) -> None:
    graph = find_graph(name)
    twins = Twins.make(graph, recipe, draw(graph, 2))
    hold(twins.compare(draw(graph, 2, seed=1)), twins)


@settings(MODERATE, max_examples=12)
@given(specs())
def test_random_networks(document: Document) -> None:
    graph = graph_from(document)
    assume(len(graph.inputs) == 1 and not graph.rows)
    for recipe in RECIPES:
        try:
            with np.errstate(all="ignore"):
                twins = Twins.make(graph, recipe, draw(graph, 2))
        except ArchspecError as error:
            if "is computed in parts" not in str(error):
                raise
            continue
        widths = [max(-low, high) for low, high in twins.scheme.ranges.values()]
        if all(1e-4 < width < 1e4 for width in widths):  # the mean of what is normalized is noise
            found = twins.compare(draw(graph, 2))
            assert found.steps <= 1.01 or found.share < TIES


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name: str, recipe: Int8Recipe) -> None:
    graph = find_graph(name)
    twins = Twins.make(graph, recipe, draw(graph, 4))
    module = twins.module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    outputs = name_outputs(module(torch.from_numpy(draw(graph, 4))))
    sum((output.square().mean() for output in outputs.values()), torch.tensor(0.0)).backward()
    for weight, value in module.named_parameters():
        assert (value.grad is not None) == graph.weights[weight].trainable, weight
        assert value.grad is None or bool(value.grad.any()), weight
    torch.optim.SGD([value for value in module.parameters() if value.requires_grad], lr=1e-3).step()
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {name for name, weight in graph.weights.items() if weight.trainable}
    after = name_outputs(module(torch.from_numpy(draw(graph, 4))))
    assert any(not torch.equal(after[name], output) for name, output in outputs.items())


def test_it_stands_in_for_the_networks_own_module() -> None:
    graph = find_graph("resnet_digits")
    twins = Twins.make(graph, "u8s8", draw(graph, 4))
    module, images = twins.module, torch.from_numpy(draw(graph, 4, seed=1))
    assert module.state_dict().keys() == graph.weights.keys() == to_torch(graph).state_dict().keys()
    own = to_torch(graph)
    assert [(name, type(part)) for name, part in own.named_modules()][1:] == [
        (name, type(part)) for name, part in module.named_modules()
    ][1:]
    with torch.no_grad():
        trained, evaluated = module.train()(images), module.eval()(images)
        assert torch.equal(trained, evaluated)
        assert torch.equal(deepcopy(module)(images), evaluated)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(module(images), evaluated)
        changed = deepcopy(module)
        changed.load_state_dict({name: 0.5 * value for name, value in module.state_dict().items()})
        assert not torch.equal(changed(images), evaluated)
        assert torch.equal(module(images), evaluated)


def test_what_no_scale_serves_stays_float() -> None:
    graph = find_graph("resnet_digits")
    twins = Twins.make(graph, "u8s8", draw(graph, 4))
    kept = frozenset(twins.plan.layers[1:3])
    scheme = replace(twins.scheme, kept=kept, floats=frozenset({"image"}))
    fewer = replace(twins, scheme=scheme, module=prepare_fake_quantized(graph, twins.module.state_dict(), scheme))
    assert len(fewer.plan.layers) == len(twins.plan.layers) - 3
    hold(fewer.compare(draw(graph, 4, seed=1)), fewer)


def test_seven_bits() -> None:
    graph = find_graph("resnet_digits")
    twins = Twins.make(graph, "u8s8", draw(graph, 4), reduce_range=True)
    images = draw(graph, 4, seed=1)
    hold(twins.compare(images), twins)
    hold(twins.compare(images, as_is=False), twins)  # the integer kernels, in which eight bits overflow without VNNI


def test_what_is_rounded_inside_is_refused() -> None:
    graph = graph_from({**GATES, "network": [{"conv": 8}, "rms_norm", {"conv": 4}]})
    with pytest.raises(ArchspecError, match=r"rms_norm_0, of the kind rms_norm, is computed in parts"):
        Twins.make(graph, "u8s8", draw(graph, 4))


def test_a_value_without_a_range_is_named() -> None:
    graph = find_graph("residual_mlp")
    weights = stir(to_torch(graph)).state_dict()
    with pytest.raises(ArchspecError, match="no range"):
        prepare_fake_quantized(graph, weights, Scheme("u8s8", {}))
