"""Weights of other libraries under the zoo's names: torchvision's models compute the same, and timm's names are met.

torchvision's models are built here with random weights and statistics, so nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from archspec.api import accepted_sizes, elaborate, load, to_torch
from archspec.spec.text import read_file
from archspec.spec.zoo import RULES, ZOO, zoo_specs
from archspec.weights import find_rules, match_weights, read_weights, write_converted
from compiler.graph import Graph
from compiler.torch_target.module import assign_weights
from runtime.weights.convert import Conversion, convert
from runtime.weights.name_rules import NameRules, RuleFile
from runtime.weights.safetensors_file import StoredTensor
from tests.support.lowering import TOLERANCE, Arrays, difference, export, run_onnx, run_torch, sample_inputs
from tests.support.seeded_weights import swap_two_kernels
from tests.support.torchvision_models import build_on_meta, find_torchvision_model

SMALL = {"H": 64, "W": 64}
CLIP = {"T": 8, "H": 32, "W": 32}
MODELS = {
    "resnet18": SMALL,
    "resnet50": SMALL,
    "resnext50_32x4d": SMALL,
    "wide_resnet50_2": SMALL,
    "densenet121": SMALL,
    "mobilenet_v2": SMALL,
    "efficientnet_b0": SMALL,
    "efficientnet_b2": SMALL,
    "efficientnet_v2_s": SMALL,
    "regnet_y_400mf": SMALL,
    "regnet_x_800mf": SMALL,
    "mobilenet_v3_large": SMALL,
    "mobilenet_v3_small": SMALL,
    "mnasnet1_0": SMALL,
    "squeezenet1_1": SMALL,
    "shufflenet_v2_x1_0": SMALL,
    "googlenet": SMALL,
    "inception_v3": {"H": 96, "W": 96},
    "r3d_18": CLIP,
    "mc3_18": CLIP,
    "r2plus1d_18": CLIP,
    "s3d": {"T": 16, "H": 224, "W": 224},
    "fcn_resnet50": SMALL,
    "deeplabv3_resnet50": SMALL,
    "lraspp_mobilenet_v3_large": SMALL,
    "vit_b_16": {},
    "swin_t": SMALL,
    "swin_v2_t": {"H": 96, "W": 96},
    "maxvit_t": {},
    "convnext_tiny": SMALL,
    "convnext_base": SMALL,
    "alexnet": SMALL,
    "vgg16_bn": {},  # its first linear layer reads 7×7 positions, those of 224 pixels
}
FIXED = {"vgg16_bn", "vit_b_16", "maxvit_t"}
"""The models that take one size: what reads it is a layer of theirs, a learned term, or a check."""
ELSEWHERE = {
    *("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121"),
    *("mobilenet_v2", "efficientnet_b0", "convnext_tiny"),
}
"""The models whose outputs other tests of this folder compare in each run."""
LARGE = {"vgg16_bn", "convnext_base"}
"""The models that take more than a few seconds."""
SERVED = sorted(
    {
        name
        for path in ZOO.rglob(f"*{RULES}")
        for rules in RuleFile.model_validate(read_file(path, path.name).data).rules
        for name in rules.specs
        if "torchvision" in rules.sources
    }
)

TIMM = {
    "resnet50": (267, "068344484b70c62a"),
    "resnext50_32x4d": (267, "068344484b70c62a"),
    "wide_resnet50_2": (267, "068344484b70c62a"),
    "densenet121": (606, "5f7433202548465d"),
    "vgg16": (32, "49e96ef5ca073a09"),
    "vgg16_bn": (84, "ec586550b9822308"),
    "mobilenet_v2": (262, "63ef454548c79eb8"),
    "efficientnet_b0": (311, "8e7a318b29845371"),
    "convnext_tiny": (182, "faa4c7abf310c716"),
}
"""How many names a model of timm 1.0.31 has, counters of batches left out, and how the SHA-256 of them begins: sorted,
each with a line's end. Its `mobilenetv2_100` is our mobilenet_v2, all others are of one name."""


def build_stirred(name: str) -> nn.Module:
    """A model of torchvision with random weights and the statistics of random pictures, then all that starts at a
    special value moved off it. (With other statistics the signal would fade, and a wrong kernel would not show.)"""
    torch.manual_seed(0)
    model = find_torchvision_model(name)(weights=None)
    for layer in model.eval().modules():
        if isinstance(layer, _BatchNorm):
            layer.train().momentum = 1.0
    with torch.no_grad():
        for shape in elaborate(load(name), MODELS[name]).inputs.values():
            model(torch.randn(8 if math.prod(shape.shape.space) < 20_000 else 2, *shape.shape))
    state = model.state_dict()
    for key, tensor in state.items():
        if not tensor.is_floating_point():  # a counter, or places in a window
            continue
        noise = torch.randn(tensor.shape)
        if key.endswith("layer_scale"):  # starts at 1e-6, which would hide the whole block
            tensor.copy_(0.5 * noise)
        elif key.endswith("running_mean"):
            tensor.add_(0.1 * noise * state[key.replace("mean", "var")].sqrt())
        elif key.endswith("running_var"):
            tensor.mul_(0.5 + noise.abs())
        elif tensor.dim() == 1:
            tensor.add_(0.1 * noise)
        elif not tensor.any():  # as the head of a vision transformer
            tensor.copy_(0.02 * noise)
        if name.startswith("swin_v2") and key.endswith("qkv.bias"):  # keys have none: it is set to zero at each run
            tensor.view(3, -1)[1] = 0
    return model.eval()


def never_read() -> Any:
    raise AssertionError("a match reads no numbers")


def names_of(name: str) -> dict[str, StoredTensor]:
    """What torchvision's model has, without numbers."""
    state = build_on_meta(name).state_dict()
    return {key: StoredTensor(tuple(tensor.shape), "float32", never_read) for key, tensor in state.items()}


def run_theirs(model: nn.Module, inputs: Arrays) -> Arrays:
    """The output of a model of torchvision."""
    with torch.no_grad():
        result = model(*map(torch.from_numpy, inputs.values()))
    return {"output": (result["out"] if isinstance(result, dict) else result).numpy()}


def choose_second_sizes(graph: Graph, sizes: Mapping[str, int]) -> Mapping[str, int]:
    """Larger sizes, of another shape where both models take one."""
    if graph.name in FIXED:
        return sizes
    rules = accepted_sizes(graph.resize(sizes))
    return {axis: rule.sample(rule.value, 1 + turn)[-1] for turn, (axis, rule) in enumerate(rules.items(), start=1)}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - ELSEWHERE - LARGE))
def test_torchvision_computes_the_same_in_torch(name: str) -> None:
    """The short form of what follows: nothing is written to files."""
    theirs = build_stirred(name)
    state = {
        key: StoredTensor(tuple(tensor.shape), "float32", tensor.numpy) for key, tensor in theirs.state_dict().items()
    }
    spec = load(name)
    graph = elaborate(spec, MODELS[name])
    arrays = convert(state, graph, find_rules(name, spec.params), "torchvision").read()
    module = to_torch(graph)
    assign_weights(module, graph, arrays)
    inputs = sample_inputs(graph, 2)
    expected = run_theirs(theirs, inputs)
    assert difference(expected, run_torch(graph, module, inputs)) <= TOLERANCE
    assign_weights(module, graph, swap_two_kernels(arrays))
    assert difference(expected, run_torch(graph, module, inputs)) > 10 * TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_torchvision_computes_the_same(name: str, tmp_path: Path) -> None:
    theirs = build_stirred(name)
    file = tmp_path / ("theirs.pth" if name.startswith("res") else "theirs.safetensors")
    torch.save(theirs.state_dict(), file) if file.suffix == ".pth" else save_file(theirs.state_dict(), file)
    spec = load(name)
    graph = elaborate(spec)
    conversion = match_weights(file, graph, find_rules(name, spec.params))
    assert "torchvision" in conversion.sources
    write_converted(tmp_path / "ours.safetensors", graph, conversion)
    arrays, _ = read_weights(tmp_path / "ours.safetensors")

    module = to_torch(graph)
    assign_weights(module, graph, arrays)
    path = export(graph, arrays, tmp_path)
    for batch, sizes in ((2, MODELS[name]), (3, choose_second_sizes(graph, MODELS[name]))):
        inputs = sample_inputs(graph, batch, sizes)
        expected = run_theirs(theirs, inputs)
        assert difference(expected, run_torch(graph, module, inputs)) <= TOLERANCE, sizes
        assert difference(expected, run_onnx(path, inputs)) <= TOLERANCE, sizes

    assign_weights(module, graph, swap_two_kernels(arrays))
    assert difference(expected, run_torch(graph, module, inputs)) > 10 * TOLERANCE


@pytest.mark.parametrize("name", SERVED)
def test_every_name_of_torchvision_is_met(name: str) -> None:
    """All of its tensors have a weight of ours, and the reverse."""
    spec = load(name)
    conversion = convert(names_of(name), elaborate(spec), find_rules(name, spec.params))
    conversion.check()
    assert "torchvision" in conversion.sources


def translate_all(name: str, rules: NameRules) -> dict[str, StoredTensor]:
    """A state dict of the names that the rules expect."""
    state: dict[str, StoredTensor] = {}
    for ours, weight in elaborate(load(name)).weights.items():
        translated = rules.translate(ours)
        assert translated is not None, ours
        (theirs,) = translated.names
        state[theirs] = StoredTensor(weight.shape, "F32", never_read)
    return state


@pytest.mark.parametrize("name", TIMM)
def test_names_are_those_of_timm(name: str) -> None:
    spec = load(name)
    every = find_rules(name, spec.params)
    (rules,) = (rules for rules in every if "timm" in rules.sources)
    state = translate_all(name, rules)
    listing = "".join(sorted(f"{theirs}\n" for theirs in state))
    assert (len(state), hashlib.sha256(listing.encode()).hexdigest()[:16]) == TIMM[name]
    assert convert(state, elaborate(spec), every).sources == rules.sources, "found without being told"


def test_old_files_of_densenet_are_understood() -> None:
    """torchvision's published files say `norm.1` where its models say `norm1`."""
    state = names_of("densenet121")
    old = {
        name.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): stored
        for name, stored in state.items()
    }
    assert old.keys() != state.keys()
    spec = load("densenet121")
    conversion: Conversion = convert(old, elaborate(spec), find_rules("densenet121", spec.params))
    assert conversion.is_whole
    assert conversion.sources == ("torchvision",)


def test_rules_speak_of_specs_that_exist() -> None:
    assert set(SERVED) <= set(zoo_specs())
    assert set(MODELS) <= set(SERVED)
