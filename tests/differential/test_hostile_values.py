"""What an operation accepts runs, in torch and in the exported file: layers with fields and shapes at their edges."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest
import torch

from archspec.api import to_onnx, to_torch
from archspec.errors import Place
from archspec.ops import (
    LAYERS,
    Add,
    AvgPool,
    Conv,
    ConvTranspose,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    GroupNorm,
    Input,
    InstanceNorm,
    Layer,
    LayerNorm,
    Linear,
    MaxPool,
    OpError,
    PadChannels,
    Scale,
    Shape,
    Softmax,
    Upsample,
)
from archspec.ops.base import Pointwise
from compiler.graph import Graph, Node, NodeSource
from tests.archspec.spec.texts import graph_of as spec_graph
from tests.support.lowering import TOLERANCE, compare, graph_of

Case = tuple[Layer, Shape]

FIELDS: dict[type[Layer], dict[str, tuple[Any, ...]]] = {
    Conv: {
        "out": (2, 4),
        "kernel": (1, 2, 3, 5),
        "stride": (1, 2, 4),
        "padding": ("same", 0, 1, 6),
        "dilation": (1, 2, 3),
        "groups": (1, 2),
        "weight_norm": (False, True),
        "standardize": (False, True),
    },
    ConvTranspose: {
        "out": (2, 4),
        "kernel": (1, 2, 3),
        "stride": (1, 2, 4),
        "padding": (0, 1, 3),
        "output_padding": (0, 1, 2),
        "dilation": (1, 2, 3),
        "groups": (1, 2),
        "bias": (False, True),
    },
    MaxPool: {"kernel": (1, 2, 3, 5), "stride": (1, 2, 4, 6), "padding": (0, 1, 2), "ceil": (False, True)},
    AvgPool: {"kernel": (1, 2, 3, 5), "stride": (1, 2, 4, 6), "padding": (0, 1, 2), "ceil": (False, True)},
    Upsample: {"scale": (1, 2, 3), "mode": ("nearest", "linear")},
    GroupNorm: {"groups": (1, 2, 4), "affine": (False, True), "eps": (1e-5, 1.0)},
    InstanceNorm: {"affine": (False, True)},
    LayerNorm: {"over": ("sample", "channels"), "affine": (False, True)},
    GlobalAvgPool: {},
    GlobalMaxPool: {},
    Flatten: {},
    Softmax: {},
    PadChannels: {"out": (4, 5)},
}
EXTENTS = (1, 2, 3, 4, 7)
SPACES = [space for rank in range(4) for space in itertools.combinations_with_replacement(EXTENTS, rank)]
SHAPES = [Shape(channels, *space) for channels in (1, 4) for space in SPACES]


def draw_cases(kind: type[Layer], count: int, seed: int) -> Iterator[Case]:
    """Some of all combinations that the operation accepts."""
    chance = random.Random(f"{seed} {kind.kind}")
    fields = FIELDS[kind]
    for _ in range(50 * count):
        op = kind(**{name: chance.choice(values) for name, values in fields.items()})
        shape = chance.choice(SHAPES)
        try:
            op.infer(shape)
        except OpError:
            continue
        yield op, shape
        count -= 1
        if not count:
            return


def with_free_axes(op: Layer, shape: Shape, free: list[bool]) -> Graph:
    """The operation behind an input whose axes are free, some of them, and before a merge of equal shapes."""
    entries = [f"{letter}" if one else size for letter, one, size in zip("DHW", free, shape.space, strict=False)]
    source = NodeSource(Place("test.yaml"))
    sizes = {entry: size for entry, size in zip(entries, shape.space, strict=True) if isinstance(entry, str)}
    result = op.infer(shape)
    nodes = [
        Node("x", Input(dims=(shape.channels, *entries)), (), shape, source),
        Node("op", op, ("x",), result, source),
        Node("one", Conv(out=result.channels, kernel=1) if result.rank else Scale(value=0.5), ("op",), result, source),
        Node("sum", Add(), ("op", "one"), result, source),
    ]
    return Graph("free", {node.id: node for node in nodes}, {"y": "sum"}, sizes)


BESIDE = (
    *(
        "adaptive_avg_pool",
        "adaptive_max_pool",
        "channel_conv",
        "depth_to_space",
        "space_to_depth",
        "glu",
        "gru",
        "lstm",
    ),
    *("l2_norm", "rms_norm", "learned", "local_response_norm", "clip", "pad", "reduce", "roll", "scale", "shift"),
    *("shuffle_channels", "slice", "tokens", "transpose"),
)
"""The layers whose fields and sizes are tried by tests of their own, beside their classes and rules."""


def test_every_layer_with_a_shape_rule_of_its_own_is_here() -> None:
    own = {op for op in LAYERS.values() if op.infer is not Pointwise.infer}
    assert own <= {*FIELDS, Linear, Embedding} | {LAYERS[word] for word in BESIDE}


EDGES: list[Case] = [
    (InstanceNorm(), Shape(4, 1, 1)),
    (GroupNorm(groups=4), Shape(4, 1, 1)),
    (LayerNorm(), Shape(1)),
    (AvgPool(kernel=2, padding=1), Shape(1, 1, 1, 1)),
    (AvgPool(kernel=3, stride=2, ceil=True), Shape(2, 2, 4, 7)),
    (ConvTranspose(out=1, kernel=1, stride=1, padding=1, dilation=3, output_padding=2), Shape(2, 1, 4)),
    (ConvTranspose(out=1, kernel=2, stride=1, dilation=2, output_padding=1), Shape(2, 3, 4)),
    (Conv(out=2, kernel=2, dilation=2), Shape(2, 5, 4)),
    (MaxPool(kernel=1, stride=2, ceil=True), Shape(1, 4, 4)),
    (AvgPool(kernel=2, stride=3, ceil=True), Shape(1, 4, 4)),
    (MaxPool(kernel=2, stride=2, padding=1, ceil=True), Shape(2, 5, 5)),
]
"""Where a framework refused, or inferred another shape."""


@pytest.mark.parametrize(("op", "shape"), EDGES, ids=str)
def test_edges_run(op: Layer, shape: Shape, tmp_path: Path) -> None:
    assert compare(graph_of(op, shape), tmp_path) < TOLERANCE
    free = [False] * (shape.rank - 1) + [True] * (shape.rank > 0)
    assert compare(with_free_axes(op, shape, free), tmp_path) < TOLERANCE


@pytest.mark.parametrize("body", [["pad_channels: 40"], ["layer_norm: {over: channels, affine: false}"], ["softmax"]])
def test_vectors_as_long_as_their_maps_run_at_every_length(body: list[str], tmp_path: Path) -> None:
    graph = spec_graph(f"archspec: 1\ninputs: {{x: [1, W]}}\nsizes: {{W: 32}}\nnetwork: [flatten, {', '.join(body)}]\n")
    assert compare(graph, tmp_path, sizes=({}, {"W": 16}, {"W": 40})) < TOLERANCE


@pytest.mark.parametrize("body", ["flatten, pad_channels: 40", "conv: 2, flatten, pad_channels: 80, relu"])
def test_vectors_that_are_longer_than_they_are_padded_to_are_cut_nowhere(body: str, tmp_path: Path) -> None:
    """In torch and in ONNX Runtime alone, which know nothing of the sizes that the network accepts."""
    graph = spec_graph(f"archspec: 1\ninputs: {{x: [1, W]}}\nsizes: {{W: 32}}\nnetwork: [{body}]\n")
    module = to_torch(graph).eval()
    to_onnx(graph, module.state_dict(), tmp_path / "m.onnx")
    quiet = ort.SessionOptions()
    quiet.log_severity_level = 4
    session = ort.InferenceSession(tmp_path / "m.onnx", quiet)
    for extent in (1, 40):  # the control
        x = torch.ones(2, 1, extent)
        assert session.run(None, {"x": x.numpy()})[0].shape == module(x).shape == (2, 80 if "conv" in body else 40)
    longer = torch.ones(2, 1, 41)
    with pytest.raises(ValueError, match=r"cannot pad \d+ channels to"):
        module(longer)
    with pytest.raises(Exception, match=r"must be >= 0"):
        session.run(None, {"x": longer.numpy()})


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.kind)
def test_what_is_accepted_runs(kind: type[Layer], seed: int, tmp_path: Path) -> None:
    for op, shape in draw_cases(kind, 400 if seed else 12, seed):
        assert compare(graph_of(op, shape), tmp_path) < TOLERANCE, (op, shape)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind not in (GlobalAvgPool, GlobalMaxPool)])
def test_what_is_accepted_runs_with_free_axes_before_a_merge(kind: type[Layer], seed: int, tmp_path: Path) -> None:
    chance = random.Random(f"{seed} free {kind.kind}")
    for op, shape in draw_cases(kind, 200 if seed else 6, seed):
        free = [chance.random() < 0.5 for _ in shape.space]
        assert compare(with_free_axes(op, shape, free), tmp_path) < TOLERANCE, (op, shape, free)
