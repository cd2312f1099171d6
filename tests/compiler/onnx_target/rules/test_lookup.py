"""Rows of tables in ONNX Runtime: types, half precision, rows and planes, sequences of every length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from archspec.api import accepted_sizes, to_onnx, to_torch
from archspec.errors import InputError
from archspec.ops import Embedding, Shape
from compiler.graph import Graph
from compiler.onnx_target.options import ExportOptions, Io, Precision
from runtime.session.session import Session
from tests.support.documents import graph_from
from tests.support.lowering import TOLERANCE, compare, list_kinds, sample_inputs, stir

IDS = {"archspec": 1, "inputs": {"ids": {"shape": [1, "L"], "type": "int"}}, "sizes": {"L": 9}}
TABLE = {"embedding": {"rows": 40, "out": 8}}


def embed(*nodes: Any) -> Graph:
    return graph_from({**IDS, "network": [TABLE, *nodes]})


@pytest.mark.parametrize("nodes", [(), ({"conv": 4},), ("global_avg_pool", "flatten", {"linear": 3})], ids=str)
def test_one_file_takes_texts_of_every_length(nodes: tuple[Any, ...], tmp_path: Path) -> None:
    graph = embed(*nodes)
    assert str(accepted_sizes(graph)["L"]) == "any from 1"
    assert compare(graph, tmp_path, sizes=[{"L": 9}, {"L": 1}, {"L": 40}]) < TOLERANCE


def test_rows_are_turned_once_and_not_where_rows_are_read(tmp_path: Path) -> None:
    assert list_kinds(Embedding(rows=4, out=2), Shape(1, 5)) == ["Squeeze", "Gather", "Transpose"]
    assert list_kinds(Embedding(rows=4, out=2), Shape(1)) == ["Squeeze", "Gather"]
    norm = {"layer_norm": {"over": "channels"}}
    graph = embed(norm, {"conv": {"out": 8, "kernel": 1}}, "gelu", norm)
    path = tmp_path / "rows.onnx"
    to_onnx(graph, to_torch(graph).state_dict(), path)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Transpose") == 1  # of the result
    assert compare(graph, tmp_path) < TOLERANCE


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("io", ["same", "fp32"])
def test_whole_numbers_stay_whole_at_every_precision(precision: Precision, io: Io, tmp_path: Path) -> None:
    """With the proof of the export."""
    graph, path = embed({"conv": 4}), tmp_path / "m.onnx"
    options = ExportOptions(precision=precision, io=io)
    to_onnx(graph, stir(to_torch(graph)).state_dict(), path, options=options)
    (given,) = onnx.load(path).graph.input
    assert given.type.tensor_type.elem_type == onnx.TensorProto.INT64


def test_a_session_knows_the_rows(tmp_path: Path) -> None:
    graph, path = embed({"conv": 4}), tmp_path / "m.onnx"
    to_onnx(graph, to_torch(graph).state_dict(), path, verify=False)
    session = Session(path, providers=["cpu"])
    assert session.rows == graph.rows == {"ids": 40}
    assert session.run(np.array([[[0, 39]]]))["output"].shape == (1, 4, 2)
    for number, shown in ((40, "40"), (-1, "-1")):
        with pytest.raises(InputError, match=f"input 'ids' holds {shown}; its numbers name rows from 0 to 39"):
            session.run(np.full((1, 1, 3), number))
    with pytest.raises(InputError, match="input 'ids' is float32, the model takes int64"):
        session.run(np.zeros((1, 1, 3), np.float32))


def test_the_smallest_of_several_tables_bounds_the_numbers(tmp_path: Path) -> None:
    tables = [[{"embedding": {"rows": rows, "out": 4}}] for rows in (40, 7)]
    graph = graph_from({**IDS, "network": [{"add": tables}]})
    assert graph.rows == {"ids": 7}
    assert sample_inputs(graph, 50)["ids"].max() == 6
    assert compare(graph, tmp_path) < TOLERANCE
