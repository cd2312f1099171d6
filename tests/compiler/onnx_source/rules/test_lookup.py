"""Tables of files, read as embeddings where whole numbers of an input name their rows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from archspec.ops import Embedding, Shape
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import export_torch, node, read_nodes


def read(path: Path, ids: list[int | str], *, axis: int = 0, rows: int = 11, type: int = TensorProto.INT64) -> Graph:
    """A file that looks up a table (rows, 6) by numbers."""
    table = numpy_helper.from_array(torch.randn(rows, 6).numpy(), "table")
    nodes = [helper.make_node("Gather", ["table", "ids"], ["y"], name="words", axis=axis)]
    inputs = [helper.make_tensor_value_info("ids", type, ids)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    model = helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, [table]))
    onnx.save(model, path)
    return read_graph(path)


@pytest.mark.parametrize("type", [TensorProto.INT64, TensorProto.INT32])
def test_words_of_a_text_name_rows(type: int, tmp_path: Path) -> None:
    graph = read(tmp_path / "m.onnx", ["batch", 5], type=type)
    (op,) = [node.op for node in graph if isinstance(node.op, Embedding)]
    assert (op.rows, op.out) == (11, 6)
    assert graph["words.embedding"].shape == Shape(6, 5)
    assert graph.inputs["ids"].holds_integers
    assert [name for name in graph.weights if name.startswith("words")] == ["words.embedding.weight"]


def test_columns_of_a_table_are_no_rows(tmp_path: Path) -> None:
    graph = read(tmp_path / "m.onnx", ["batch", 5], axis=1)
    assert not any(isinstance(node.op, Embedding) for node in graph)


def test_torchs_own_export_is_read_as_the_same_words(tmp_path: Path) -> None:
    class Texts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.conv = nn.Embedding(11, 6), nn.Conv1d(6, 4, 3, padding=1)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            return self.conv(self.table(ids).transpose(1, 2))

    path = tmp_path / "m.onnx"
    with warnings.catch_warnings():  # of the exporter, that there is a newer one
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Texts(), (torch.zeros(1, 5, dtype=torch.long),), path, dynamo=False, input_names=["ids"], opset_version=17
        )
    kinds = [node.op.word for node in read_graph(path)]
    assert [kind for kind in kinds if kind != "reshape"] == ["input", "embedding", "conv"]


MAP, ROW, VECTOR = (1, 4, 9, 12), (1, 6, 9), (1, 8)
TAKEN: list[tuple[tuple[int, ...], int, Any, list[str], tuple[int, ...]]] = [
    (MAP, 1, [0, 1], ["slice"], (2, 9, 12)),
    (MAP, 3, [1, 4, 7, 10], ["slice"], (4, 9, 4)),
    (MAP, -2, [-2, -1], ["slice"], (4, 2, 12)),
    (VECTOR, 1, [3], ["slice"], (1,)),
    (ROW, 2, 0, ["slice", "flatten"], (6,)),
    (ROW, 2, -1, ["slice", "flatten"], (6,)),
    (ROW, 1, 2, ["slice", "flatten"], (9,)),
    (MAP, 2, 3, ["gather"], (4, 12)),
    (MAP, 1, [1, 0], ["gather"], (2, 9, 12)),
    (MAP, 1, [0, 1, 3], ["gather"], (3, 9, 12)),
    (MAP, 1, [2, 2], ["gather"], (2, 9, 12)),
    (MAP, 1, [[0, 1]], ["gather"], (1, 2, 9, 12)),
]


@pytest.mark.parametrize(("shape", "axis", "positions", "words", "found"), TAKEN)
def test_positions_at_equal_distances_are_a_slice(
    shape: tuple[int, ...], axis: int, positions: Any, words: list[str], found: tuple[int, ...], tmp_path: Path
) -> None:
    """In order and once each; the extents are those of ONNX Runtime."""
    graph = read_nodes([node("Gather", "x i", axis=axis)], shape, {"i": np.array(positions)}, tmp_path)
    assert [item.op.word for item in graph if item.inputs] == words
    assert list(graph)[-1].shape == Shape(*found)


@pytest.mark.parametrize("dynamo", [False, True])
def test_the_last_step_of_a_sequence_is_the_languages(dynamo: bool, tmp_path: Path) -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(5, 6, batch_first=True, bidirectional=True), nn.Linear(12, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.head(self.layer(x.transpose(1, 2))[0][:, -1])
            return found

    graph = read_graph(export_torch(Last(), (2, 5, 9), tmp_path / "m.onnx", dynamo=dynamo))
    assert [item.op.word for item in graph if item.inputs] == ["gru", "slice", "flatten", "linear"]
    assert all(type(item.op).__module__.startswith("archspec.") for item in graph if item.inputs)
