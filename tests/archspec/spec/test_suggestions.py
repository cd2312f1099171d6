"""What is suggested for words of other frameworks compiles, and is what they compute; letters alone never mislead."""

from __future__ import annotations

import re

import pytest

from archspec.ops import LAYERS
from archspec.spec.body import STRUCTURE
from archspec.spec.layers import layer_node
from archspec.spec.suggestions import count_edits, suggest_field, suggest_kind, suggest_node, suggest_slip

KNOWN = (*LAYERS, *STRUCTURE)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *[(word, "did you mean 'relu'?") for word in ("ReLU", "RELU", "Relu", "nn.ReLU", "nn.ReLU()", "rellu", "reul")],
        ("SiLU", "did you mean 'silu'?"),
        ("MaxPool2d", "did you mean 'max_pool'?"),
        ("ConvTranspose2d", "here it is `conv_transpose: 16`"),
        ("keras.layers.Conv2DTranspose", "here it is `conv_transpose: 16`"),
        ("BatchNorm2d", "did you mean 'batch_norm'?"),
        ("Swish", "here it is `silu`"),
        ("Dense", "here it is `linear: 10`"),
        ("drop_path", "survival is 1 - p"),
        ("linear_attention", "there is no such operation, but an `ext` may bring one"),
        ("RMSNorm", "did you mean 'rms_norm'?"),
        ("convv", "did you mean 'conv'?"),
        ("flaten", "did you mean 'flatten'?"),
        ("batchnrm", "did you mean 'batch_norm'?"),
        ("avgpol", "did you mean 'avg_pool'?"),
        ("frobnicate", ""),
        ("", ""),
        ("zzz" * 100, ""),
    ],
)
def test_a_node_s_word(word: str, expected: str) -> None:
    assert expected in suggest_node(word, KNOWN)
    assert expected or suggest_node(word, KNOWN) == ""


FIELD_OF = {
    "conv": {"filters": "out", "out_channels": "out", "kernel_size": "kernel", "strides": "stride", "k": "kernel",
             "dilation_rate": "dilation", "use_bias": "bias", "kernal": "kernel", "KERNEL": "kernel"},
    "linear": {"units": "out", "out_features": "out"},
    "dropout": {"p": "rate"},
    "stochastic_depth": {"p": "survival", "drop_prob": "survival"},
    "leaky_relu": {"negative_slope": "slope", "alpha": "slope"},
    "batch_norm": {"epsilon": "eps", "elementwise_affine": "affine"},
    "group_norm": {"num_groups": "groups"},
    "max_pool": {"pool_size": "kernel", "ceil_mode": "ceil"},
    "upsample": {"scale_factor": "scale", "size": "scale"},
    "residual": {"downsample": "project"},
    "repeat": {"times": "n", "layers": "body"},
    "concat": {"values": "branches", "operands": "branches"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "word", "field"), [(k, w, f) for k, fields in FIELD_OF.items() for w, f in fields.items()]
)
def test_a_field(kind: str, word: str, field: str) -> None:
    model = layer_node(kind) if kind in LAYERS else STRUCTURE[kind]
    names = [info.alias or name for name, info in model.model_fields.items()]
    assert re.search(f"[`']{field}['`]", suggest_field(word, names))


def test_what_is_no_field_is_explained() -> None:
    names = list(layer_node("conv").model_fields)
    assert suggest_field("in_channels", names) == "; the channels are those of the value that comes in"
    assert suggest_field("activation", names) == "; an activation is a node of its own: `activation`, or one of a kind"
    assert suggest_field("frobnicate", names) == ""


def test_a_kind_of_node_for_defaults() -> None:
    assert suggest_kind("Conv2d", LAYERS) == "; here it is `conv`"
    assert suggest_kind("quick_gelu", LAYERS) == ""
    assert suggest_kind("batchnorm", LAYERS) == "; did you mean 'batch_norm'?"


def test_slips_are_counted_in_keys() -> None:
    assert [
        count_edits(*pair) for pair in (("relu", "relu"), ("reul", "relu"), ("rellu", "relu"), ("conf", "conv"))
    ] == [*(0, 1, 1, 1)]
    assert count_edits("kitten", "sitting") == 3
    assert count_edits("", "abc") == 3


def test_equally_near_words_are_all_named() -> None:
    assert suggest_slip("stridd", ["stride", "strida", "other"]) == "; did you mean 'stride' or 'strida'?"


def test_a_block_of_the_zoo_is_named_with_its_library() -> None:
    """Before what a self-made one would be, and behind layers of that name, and blocks that are known already."""
    said = "; a block of the zoo: `import: [blocks/transformer]`, and `archspec show blocks/transformer` tells more"
    assert suggest_node("transformer_block", ["conv"]) == said
    assert suggest_node("nn.TransformerBlock(64)", ["conv"]) == said
    assert suggest_node("TransformerBlock", ["transformer_block"]) == "; did you mean 'transformer_block'?"
    assert "depth_to_space" in suggest_node("PixelShuffle", ["depth_to_space"])
