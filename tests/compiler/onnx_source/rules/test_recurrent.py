"""Recurrent layers count as their cells do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import to_onnx, to_torch
from archspec.errors import ModelError
from archspec.ops import Gru, Lstm, Shape
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.unknown import find_unknown
from compiler.onnx_source.read import read_graph
from tests.support.documents import graph_from
from tests.support.foreign_models import Arrays, build_nodes, export_torch, floats, node, read_nodes
from tests.support.models import save


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("ways", [1, 2])
def test_a_recurrent_layer_counts_as_its_cells_do(
    kind: type[nn.LSTM] | type[nn.GRU] | type[nn.RNN], ways: int, tmp_path: Path
) -> None:
    module = kind(5, 6, bidirectional=ways == 2)
    graph = read_graph(export_torch(module, (7, 1, 5), tmp_path / "m.onnx"))
    cell = getattr(nn, f"{kind.__name__}Cell")(5, 6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():  # which does not look into whole sequences
        gates = cell.weight_ih.shape[0]
        F.linear(torch.rand(1, 5), cell.weight_ih), F.linear(torch.rand(1, 6), cell.weight_hh)
    cost = measure_cost(graph)
    assert cost.macs["conv-linear"] == ways * 7 * counter.get_total_flops() // 2 == ways * 7 * gates * 11
    assert cost.parameters == sum(value.numel() for value in module.parameters())
    assert find_unknown(graph) == {}


class Labels(nn.Module):
    """A convolution, two layers on top of each other with a linear one between, and the result's channels first."""

    def __init__(self, kind: type[nn.LSTM] | type[nn.GRU], ways: int) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv1d(3, 5, 3, padding=1), nn.Linear(6 * ways, 4)
        self.lower = kind(5, 6, 2, batch_first=True, bidirectional=ways == 2)
        self.upper = kind(4, 7, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lower, _ = self.lower(torch.relu(self.conv(x)).transpose(1, 2))
        found: Tensor = self.upper(torch.tanh(self.head(lower)))[0]
        return found.transpose(1, 2)


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_what_torch_exports_is_the_languages(
    kind: type[nn.LSTM] | type[nn.GRU], ways: int, samples: int, dynamo: bool, tmp_path: Path
) -> None:
    """Layers of zeros for a first state, whose sequences the exporters turn each in its own way."""
    module, word = Labels(kind, ways), kind.__name__.lower()
    graph = read_graph(export_torch(module, (samples, 3, 9), tmp_path / "m.onnx", dynamo=dynamo))
    words = [node.op.word for node in graph if node.inputs]
    assert words == ["conv", "relu", word, word, "conv", "tanh", word]
    assert [type(node.op).__module__.partition(".")[0] for node in graph if node.inputs] == ["archspec"] * 7
    twos = [node.op for node in graph if isinstance(node.op, Lstm | Gru)]
    assert [(op.out, op.both) for op in twos] == [(6, ways == 2)] * 2 + [(7, False)]
    assert measure_cost(graph).parameters == sum(value.numel() for value in module.parameters())
    assert list(graph)[-1].shape == Shape(7, 9)


def test_a_sequence_with_its_channels_last_is_turned(tmp_path: Path) -> None:
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(5, 6, batch_first=True)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.layer(x)[0]
            return found

    graph = read_graph(export_torch(Whole(), (2, 9, 5), tmp_path / "m.onnx"))
    assert [node.op.word for node in graph if node.inputs] == ["transpose", "lstm", "transpose"]
    assert list(graph)[-1].shape == Shape(9, 6)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("word", ["lstm", "gru"])
def test_own_files_are_read_as_they_were_written(word: str, both: bool, tmp_path: Path) -> None:
    """With the file's tensors as its weights, at each place the right one."""
    document = {"archspec": 1, "inputs": {"x": [3, "L"]}, "sizes": {"L": 9}}
    graph = graph_from({**document, "network": [{word: {"out": 5, "both": both}}, {"conv": 4}]})
    to_onnx(graph, to_torch(graph).state_dict(), tmp_path / "m.onnx", verify=False)
    read = read_graph(tmp_path / "m.onnx", sizes={"L": 9})
    (layer,) = [node for node in read if node.op == graph[f"{word}_0"].op]
    assert [node.shape for node in read] == [node.shape for node in graph]
    gates, ways = (4 if word == "lstm" else 3), 1 + both
    assert {name: weight.shape for name, weight in (layer.stored or {}).items()} == {
        "weight_ih_l0": (ways, gates * 5, 3),
        "weight_hh_l0": (ways, gates * 5, 5),
        "bias_ih_l0": (ways, 2 * gates * 5),
    }
    costs = [measure_cost(one) for one in (graph, read)]
    assert costs[0].parameters == costs[1].parameters
    assert costs[0].macs == costs[1].macs


SEQUENCE = {"w": floats(1, 24, 5), "r": floats(1, 24, 6), "b": floats(1, 48), "h": floats(1, 1, 6)}
TURNED = node("Transpose", "x", "t", perm=[2, 0, 1])
ZERO = np.zeros((1, 1, 6), np.float32)


def read_layer(kind: str, inputs: str, folder: Path, arrays: Arrays | None = None, **attributes: Any) -> list[str]:
    """The words of a layer along a row whose steps an exporter has put in front."""
    known: dict[str, Any] = {**SEQUENCE, "zero": ZERO, **(arrays or {})}
    used = {name: known[name] for name in inputs.split() if name in known}
    nodes = [TURNED, node(kind, inputs, hidden_size=6, **attributes)]
    graph = read_nodes(nodes, (1, 5, 9), used, folder)
    (found,) = [item for item in graph if item.op.word == kind.lower()]
    return [type(found.op).__module__, *(item.op.word for item in graph if item.inputs)]


OTHERS: list[tuple[str, str, dict[str, Any]]] = [
    ("LSTM", "t w r", {}),
    ("LSTM", "t w r b - h", {}),
    ("LSTM", "t w r b - zero h", {}),
    ("LSTM", "t w r b", {"direction": "reverse"}),
    ("LSTM", "t w r b", {"clip": 1.0}),
    ("LSTM", "t w r b", {"input_forget": 1}),
    ("LSTM", "t w r b", {"activations": ["Sigmoid", "Tanh", "Relu"]}),
]


@pytest.mark.parametrize(("kind", "inputs", "attributes"), OTHERS)
def test_what_no_spec_says_stays_of_the_file(
    kind: str, inputs: str, attributes: dict[str, Any], tmp_path: Path
) -> None:
    assert read_layer(kind, inputs, tmp_path, **attributes)[0].startswith("compiler.")
    usual: dict[str, Any] = {"activations": ["Sigmoid", "Tanh", "Tanh"]}
    assert read_layer(kind, "t w r b - zero zero", tmp_path, **usual)[0].startswith("archspec.")


def test_a_gate_before_the_product_is_another_layer(tmp_path: Path) -> None:
    """As ONNX has it by itself, and torch does not."""
    gates = {"w": floats(1, 18, 5), "r": floats(1, 18, 6), "b": floats(1, 36)}
    assert read_layer("GRU", "t w r b", tmp_path, gates)[0].startswith("compiler.")
    assert read_layer("GRU", "t w r b", tmp_path, gates, linear_before_reset=1)[0].startswith("archspec.")


@pytest.mark.parametrize("shape", [(), (24,), (24, 5), (1, 24, 5, 1), (1, 24, 7), (1, 23, 5), (2, 24, 5)])
def test_matrices_of_no_layer_are_a_mistake_of_the_file_or_stay_in_it(shape: tuple[int, ...], tmp_path: Path) -> None:
    arrays = {"w": floats(*shape), "r": SEQUENCE["r"], "b": SEQUENCE["b"]}
    nodes = [TURNED, node("LSTM", "t w r b", hidden_size=6)]
    path = save(build_nodes(nodes, (1, 5, 9), arrays), tmp_path / "m.onnx")
    with suppress(ModelError):
        words = [type(item.op).__module__ for item in read_graph(path) if item.op.word == "lstm"]
        assert all(module.startswith("compiler.") for module in words)
