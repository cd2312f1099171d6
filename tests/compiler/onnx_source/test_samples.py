"""Axes that hold samples, and those that only seem to: a batch that a file fixes, windows and frames laid into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import helper
from torch import Tensor, nn

from archspec.ops.window import run
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.memory.memory import measure_memory
from compiler.analysis.unknown import find_unknown
from compiler.graph import Graph
from compiler.graph_check import verify
from compiler.onnx_source.read import read_graph
from compiler.onnx_source.samples import MixedSamplesError, SampleAxis, follow_reshape
from tests.support.foreign_models import count_macs, export_torch, run_shapes
from tests.support.models import build_model, save


def floats(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def read(nodes: Sequence[Any], shape: Sequence[int], arrays: Mapping[str, Any], path: Path) -> Graph:
    """The graph of a model from x to y; the last value has as many elements as ONNX Runtime computes."""
    model = build_model(nodes, {"x": shape}, {"y": None}, arrays)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    graph = verify(read_graph(save(model, path / "m.onnx")))
    samples = 1 if not graph.notes or "for all of them" in graph.notes[0] else shape[0]
    assert graph[graph.outputs["y"]].shape.elements * samples == prod(run_shapes(path / "m.onnx")["y"])
    measure_receptive_field(graph)
    measure_memory(graph)
    return graph


WINDOWS: list[tuple[str, dict[str, Any], list[str], str]] = [
    ("Conv", {"pads": [1, 1, 1, 1]}, ["k"], "convolution"),
    ("ConvTranspose", {"strides": [2, 2]}, ["t"], "transposed_convolution"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}, [], "pool"),
    ("AveragePool", {"kernel_shape": [3, 3]}, [], "pool"),
    ("GlobalAveragePool", {}, [], "pool"),
    ("BatchNormalization", {}, ["s", "s", "s", "s"], "normalize_channels"),
    ("InstanceNormalization", {}, ["s", "s"], "normalize_channels"),
    ("LayerNormalization", {"axis": -1}, ["l", "l"], "normalize_along"),
]


@pytest.mark.parametrize(("kind", "attributes", "stored", "expected"), WINDOWS)
def test_operations_on_windows_that_lie_along_the_first_axis(
    kind: str, attributes: dict[str, Any], stored: list[str], expected: str, tmp_path: Path
) -> None:
    """As windowed attention cuts a map: 12 channels of 8×8 become four maps of three."""
    arrays = {"to": np.array([4, 3, 8, 8]), "k": floats(6, 3, 3, 3), "t": floats(3, 2, 2, 2), "s": floats(3)}
    arrays |= {"l": floats(8)}
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["w"]),
        helper.make_node(kind, ["w", *stored], ["y"], **attributes),
    ]
    graph = read(nodes, (1, 12, 8, 8), arrays, tmp_path)
    op = graph[graph.outputs["y"]].op
    assert op.kind == expected
    assert find_unknown(graph) == {}
    cost = measure_cost(graph)
    assert cost.parameters + cost.buffers == sum(arrays[name].size for name in {*stored})
    assert (cost.buffers > 0) == (kind == "BatchNormalization" and cost.parameters == 0)
    if kind == "Conv":
        assert cost.macs["conv-linear"] == 4 * 6 * 8 * 8 * 3 * 9
        assert op.input_span(0, (0, 0)) == (None,)  # each channel is of all channels
        assert op.input_span(1, (2, 3)) == (run((1, 4)),)


@pytest.mark.parametrize("perms", [([0, 1, 3, 2],), ([0, 1, 3, 2], [0, 1, 3, 2]), ([1, 0, 2, 3], [0, 3, 2, 1])])
def test_transpositions_of_windows(perms: Sequence[list[int]], tmp_path: Path) -> None:
    nodes = [helper.make_node("Reshape", ["x", "to"], ["w"]), helper.make_node("Relu", ["w"], ["v0"])]
    nodes += [helper.make_node("Transpose", [f"v{i}"], [f"v{i + 1}"], perm=perm) for i, perm in enumerate(perms)]
    nodes += [helper.make_node("Sin", [f"v{len(perms)}"], ["y"])]
    read(nodes, (1, 12, 8, 8), {"to": np.array([4, 3, 8, 8])}, tmp_path)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_there_and_back_and_there_again(count: int, tmp_path: Path) -> None:
    """Each pair of reshapes gives what it takes; of an odd number one is left."""
    nodes = [helper.make_node("Relu", ["x"], ["v0"])]
    nodes += [helper.make_node("Reshape", [f"v{i}", "ab"[i % 2]], [f"v{i + 1}"]) for i in range(count)]
    nodes += [helper.make_node("Sin", [f"v{count}"], ["y"])]
    graph = read(nodes, (1, 4, 6, 6), {"a": np.array([1, 6, 4, 6]), "b": np.array([1, 4, 6, 6])}, tmp_path)
    assert [node.op.kind for node in graph] == ["input", "relu", *["rearrange"] * (count % 2), "elementwise"]


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(torch.relu(self.a(x)))


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv1d(3, 4, 5, stride=2), nn.BatchNorm1d(4), nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.norm(self.conv(x))).flatten(1))


class Patches(nn.Module):
    """A transformer's layer over the patches of an image, with a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.token = nn.Conv2d(3, 16, 4, 4), nn.Parameter(torch.zeros(1, 1, 16))
        self.attention, self.norm = nn.MultiheadAttention(16, 4, batch_first=True), nn.LayerNorm(16)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.norm(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1))
        return (x + self.attention(x, x, x, need_weights=False)[0])[:, 0]


SHAPES: dict[type[nn.Module], tuple[int, ...]] = {Tokens: (7, 8), Line: (3, 9), Patches: (3, 8, 8)}


@pytest.mark.parametrize(("kind", "dynamo"), [(Tokens, False), (Line, False), (Patches, False), (Patches, True)])
def test_a_fixed_batch_is_divided_out(kind: type[nn.Module], dynamo: bool, tmp_path: Path) -> None:
    """Every number is the same as in the file for one sample, and the MACs are torch's."""
    module, shape = kind(), SHAPES[kind]
    costs, peaks = [], []
    for batch in (1, 3):
        graph = verify(read_graph(export_torch(module, (batch, *shape), tmp_path / f"{batch}.onnx", dynamo=dynamo)))
        assert [node.shape for node in graph.inputs.values()] == [shape]
        assert len(graph.notes) == (batch > 1)
        costs.append(measure_cost(graph))
        peaks.append(measure_memory(graph).inference.peak.bytes)
        assert find_unknown(graph) == {}
    one, three = costs
    assert one.macs["flops"] == three.macs["flops"] == 2 * count_macs(module, (1, *shape))
    # the class token of one sample is a value, and rows are laid out anew around it
    alone = range(12 * 16 + 1) if kind is Patches else range(1)
    assert one.activations - three.activations in alone
    assert peaks[0] == peaks[1]
    repeated = 2 * 16 if kind is Patches and dynamo else 0  # which stores the class token once for each sample
    assert three.parameters == one.parameters + repeated
    assert "taken for a batch of 3; numbers are for one sample" in graph.notes[0]


def test_a_sequence_that_stands_first_is_read_whole(tmp_path: Path) -> None:
    """What is no batch is not divided: attention mixes it."""

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 4)

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.attention(x, x, x, need_weights=False)[0]
            return result

    module = Sequence()
    graph = read_graph(export_torch(module, (4, 2, 8), tmp_path / "m.onnx"))
    assert "mixed; numbers are for all of them" in graph.notes[0]
    macs = measure_cost(graph).macs
    assert (macs["conv-linear"], macs["flops"]) == (4 * 2 * 8 * 32, 2 * (4 * 2 * 8 * 32 + 2 * 2 * 4 * 4 * 8))


def test_two_inputs_of_other_batches_are_read_whole(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["a", "k"], ["c"]), helper.make_node("Conv", ["b", "k"], ["d"])]
    model = build_model(
        nodes, {"a": [2, 3, 8, 8], "b": [1, 3, 8, 8]}, {"c": None, "d": None}, {"k": floats(4, 3, 3, 3)}
    )
    graph = verify(read_graph(save(model, tmp_path / "m.onnx")))
    assert measure_cost(graph).macs["conv-linear"] == 3 * 4 * 36 * 27
    measure_receptive_field(graph)


def test_samples_are_followed_through_reshapes() -> None:
    """Against numbers: each place holds the number of its sample; most are followed to the end."""
    assert sum(follow_numbers(np.random.default_rng(seed)) for seed in range(60)) > 30


def follow_numbers(chance: np.random.Generator) -> bool:
    """Whether samples can be followed through some transpositions and reshapes, each held against numbers."""
    count = int(chance.integers(2, 4))
    shape = [count, *(int(extent) for extent in chance.choice([1, 2, 3, 4], 3))]
    owner = np.broadcast_to(np.arange(count).reshape(-1, 1, 1, 1), shape)
    samples: SampleAxis | None = SampleAxis(0)
    for _ in range(4):
        assert samples
        if chance.random() < 0.5:
            perm = chance.permutation(len(shape))
            owner, samples = (
                owner.transpose(perm),
                SampleAxis(int(np.argwhere(perm == samples.axis).item()), samples.apart),
            )
            shape = list(owner.shape)
        else:
            splits = [int(part) for extent in shape for part in ([2, extent // 2] if extent % 2 == 0 else [extent])]
            joined = splits if chance.random() < 0.5 else [splits[0], prod(splits[1:])]
            try:
                samples = follow_reshape(samples, count, shape, joined)
            except MixedSamplesError:  # an axis that cuts the samples in two
                return False
            owner, shape = owner.reshape(joined), joined
        assert samples is not None
        places = np.arange(shape[samples.axis]) // samples.apart % count
        wide = places.reshape([-1 if axis == samples.axis else 1 for axis in range(len(shape))])
        assert (owner == wide).all()
    return True
