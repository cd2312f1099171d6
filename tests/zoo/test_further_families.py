"""Families that no library has, against networks written in plain torch from the papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.weights import find_rules
from compiler.torch_target.module import assign_weights
from runtime.weights.convert import convert
from runtime.weights.safetensors_file import StoredTensor
from tests.support.lowering import TOLERANCE, difference, run_torch, sample_inputs
from tests.support.seeded_weights import swap_two_kernels
from tests.zoo import decision_witnesses as decision
from tests.zoo import generative_witnesses as generative
from tests.zoo import recognition_witnesses as recognition
from tests.zoo import restoration_witnesses as restoration
from tests.zoo import segmentation_witnesses as segmentation
from tests.zoo import sequence_witnesses as sequence
from tests.zoo.rows import at_home
from tests.zoo.side_by_side import assert_equal_figures, assert_equal_outputs


@dataclass(frozen=True)
class Case:
    """A network in plain torch, and the params and sizes with which it and the spec are quick to run."""

    build: Callable[..., nn.Module]
    params: Mapping[str, Any] = field(default_factory=dict)
    """Ours and its own arguments, which have the same names."""
    sizes: Mapping[str, int] = field(default_factory=dict)


CASES = {
    "segnet": Case(segmentation.SegNet, {"classes": 5, "width": 4}, {"H": 45, "W": 34}),
    "simple_baseline_resnet50": Case(
        recognition.SimpleBaseline, {"joints": 5, "width": 16, "stages": 2}, {"H": 64, "W": 32}
    ),
    "shufflenet_v1_g3": Case(recognition.shufflenet, {"classes": 10, "widths": [48, 96, 192]}, {"H": 64, "W": 32}),
    "shufflenet_v1_g8": Case(
        partial(recognition.shufflenet, groups=8, widths=(384, 768, 1536)), {"classes": 10}, {"H": 64, "W": 32}
    ),
    "espcn": Case(restoration.espcn, {"scale": 2}, {"H": 9, "W": 12}),
    "srcnn": Case(restoration.srcnn, {"kernels": [9, 3, 5]}, {"H": 15, "W": 12}),
    "edsr_baseline": Case(restoration.edsr, {"width": 8, "blocks": 2, "scale": 4}, {"H": 9, "W": 12}),
    "edsr": Case(partial(restoration.edsr, width=256, blocks=32, factor=0.1), {"width": 8, "blocks": 2}),
    "srresnet": Case(restoration.srresnet, {"width": 8, "blocks": 2}, {"H": 9, "W": 12}),
    "rcan": Case(restoration.rcan, {"width": 16, "groups": 2, "blocks": 2, "reduction": 2}, {"H": 9, "W": 12}),
    "esrgan": Case(restoration.esrgan, {"width": 8, "growth": 4, "blocks": 2}, {"H": 9, "W": 12}),
    "dncnn": Case(restoration.DnCNN, {"depth": 5}, {"H": 9, "W": 12}),
    "ffdnet": Case(restoration.FFDNet, {"width": 8, "depth": 4}, {"H": 8, "W": 12}),
    "nafnet_width32": Case(restoration.NAFNet, {"width": 8, "encoders": [1, 2], "decoders": [2, 1]}, {"H": 8, "W": 12}),
    "swinir_light": Case(
        restoration.SwinIR, {"width": 12, "heads": 2, "groups": 2, "blocks": 2, "window": 4}, {"H": 8, "W": 12}
    ),
    "dcgan_generator": Case(generative.dcgan_generator, {"noise": 12, "width": 4}),
    "dcgan_discriminator": Case(generative.dcgan_discriminator, {"width": 4}),
    "pix2pix_generator": Case(generative.Pix2Pix, {"width": 2}),
    "patchgan_discriminator": Case(generative.PatchGAN, {"width": 8}, {"H": 32, "W": 40}),
    "cyclegan_generator": Case(generative.cyclegan, {"width": 8, "blocks": 2}, {"H": 16, "W": 20}),
    "fast_style_transfer": Case(generative.style, {"width": 8, "blocks": 2}, {"H": 16, "W": 20}),
    "autoencoder": Case(generative.Autoencoder, {"pixels": 64, "widths": [32, 16], "code": 5}),
    "vae": Case(generative.VAE, {"pixels": 64, "width": 32}),
    "dqn": Case(decision.dqn, {"actions": 6}),
    "alphazero": Case(decision.AlphaZero, {"board": 5, "moves": 26, "width": 16, "blocks": 2}),
    "siamese": Case(decision.Siamese, {"features": 16}),
    "two_tower": Case(decision.TwoTower, {"query": 12, "item": 20, "widths": [16, 8]}),
    "wavenet": Case(sequence.WaveNet, {"levels": 8, "width": 6, "skip": 10, "stacks": 2, "layers": 3}, {"L": 20}),
    "tcn": Case(sequence.TCN, {"channels": 2, "width": 6, "levels": 3, "kernel": 3}, {"L": 20}),
    "ecapa_tdnn": Case(
        sequence.EcapaTDNN,
        {"features": 5, "width": 16, "wide": 12, "bottleneck": 4, "embedding": 6},
        {"L": 17},
    ),
    "conformer": Case(sequence.conformer, {"width": 16, "heads": 2, "blocks": 2, "kernel": 5}, {"L": 9}),
    "transformer_encoder": Case(
        sequence.transformer_encoder, {"width": 16, "heads": 2, "inner": 32, "layers": 2}, {"L": 9}
    ),
    "lstm_classifier": Case(sequence.LSTMClassifier, {"features": 6, "classes": 4, "width": 5}, {"L": 9}),
    "text_cnn": Case(sequence.TextCNN, {"words": 20, "width": 6, "filters": 4, "kernels": [2, 3]}, {"L": 9}),
    "bert_tiny": Case(sequence.Bert, {"words": 20, "longest": 12, "width": 16, "inner": 32, "layers": 2}, {"L": 9}),
    "gpt2": Case(sequence.GPT2, {"words": 20, "longest": 12, "width": 16, "heads": 2, "layers": 2}, {"L": 9}),
}


@pytest.mark.parametrize("name", CASES)
def test_figures_are_those_of_an_independent_network(name: str) -> None:
    with torch.device("meta"):
        witness = CASES[name].build()
    assert_equal_figures(at_home(name), witness)


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_an_independent_network(name: str) -> None:
    case = CASES[name]
    assert_equal_outputs(elaborate(load(name, case.params), case.sizes), case.build(**case.params))


def test_weights_of_simple_baseline_are_taken_by_the_names_of_its_authors() -> None:
    spec = load("simple_baseline_resnet50")
    graph, theirs = elaborate(spec, {"H": 64, "W": 32}), recognition.SimpleBaseline().eval()
    state = {
        name: StoredTensor(tuple(tensor.shape), "float32", tensor.numpy) for name, tensor in theirs.state_dict().items()
    }
    conversion = convert(state, graph, find_rules("simple_baseline_resnet50", spec.params))
    assert (conversion.is_whole, conversion.sources) == (True, ("microsoft",))
    module = to_torch(graph)
    assign_weights(module, graph, conversion.read())
    inputs = sample_inputs(graph, 2)
    with torch.no_grad():
        expected = {"output": theirs(torch.from_numpy(inputs["image"])).numpy()}
        assert difference(expected, run_torch(graph, module, inputs)) < TOLERANCE
        assign_weights(module, graph, swap_two_kernels(conversion.read()))
        assert difference(expected, run_torch(graph, module, inputs)) > 10 * TOLERANCE
