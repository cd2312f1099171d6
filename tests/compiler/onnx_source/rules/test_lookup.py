"""Tables of files, read as embeddings where whole numbers of an input name their rows."""

from __future__ import annotations

import warnings
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from archspec.ops import Embedding, Shape
from compiler.graph import Graph
from compiler.onnx_source.read import read_graph


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
