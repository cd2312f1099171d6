"""What resizing and padding of foreign models read: against what ONNX Runtime's results depend on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper, save

from archspec.ops import Upsample
from compiler.analysis.field.positions import gather
from compiler.onnx_source.read import read_graph


def depend(model: ModelProto, length: int) -> list[set[int]]:
    """For each position of a linear model's result the input positions that it depends on."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = [
        session.run(None, {"x": row[None, None, None]})[0].reshape(-1) for row in np.eye(length, dtype="float32")
    ]
    return [{i for i in range(length) if abs(results[i][place]) > 1e-6} for place in range(len(results[0]))]


def build(node: onnx.NodeProto, length: int, size: int, stored: dict[str, np.ndarray]) -> ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, length])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, size])]
    graph = helper.make_graph([node], "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def read_positions(model: ModelProto, length: int, path: Path) -> list[Sequence[int]] | None:
    """For each position what the operation reads of a map of this length; None where it reads it whole."""
    save(model, path)
    graph = read_graph(path)
    node = graph[graph.outputs["y"]]
    if not node.inputs:
        return [range(place, place + 1) for place in range(length)]
    found: list[Sequence[int]] = []
    for place in range(node.shape.space[-1]):
        (places,) = node.op.input_span(1, (place, place), *graph.operands(node))
        if places is None:
            return None
        beyond = "edge" if isinstance(node.op, Upsample) else node.op.beyond
        runs = gather(places, length, beyond=beyond)
        assert runs is not None
        found.append([position for lo, hi in runs for position in range(lo, hi + 1)])
    return found


PLACES = ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners")
ROUNDS = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
RESIZES = [("linear", where, "floor", alias) for where in PLACES for alias in (0, 1)]
RESIZES += [("cubic", where, "floor", alias) for where in PLACES for alias in (0, 1)]
RESIZES += [("nearest", where, rounds, 0) for where in PLACES for rounds in ROUNDS]


@pytest.mark.parametrize(("mode", "where", "rounds", "alias"), RESIZES)
def test_a_resize_reads_what_its_result_depends_on(
    mode: str, where: str, rounds: str, alias: int, tmp_path: Path
) -> None:
    """Each position that the result depends on is read; the first and the last that are read count, in linear modes."""
    fields: dict[str, Any] = {
        "mode": mode,
        "coordinate_transformation_mode": where,
        "nearest_mode": rounds,
        "antialias": alias,
    }
    for length, size in [(4, 8), (4, 6), (5, 7), (8, 4), (9, 4), (12, 5), (7, 3), (6, 6), (5, 1)]:
        node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], **fields)
        model = build(node, length, size, {"s": np.array([1, 1, 1, size], np.int64)})
        found = read_positions(model, length, tmp_path / "m.onnx")
        if found is None:
            assert size == 1
            continue
        for place, (ours, theirs) in enumerate(zip(found, depend(model, length), strict=True)):
            assert theirs <= set(ours), (length, size, place)
            if mode != "cubic":
                assert theirs == set(ours), (length, size, place)


@pytest.mark.parametrize(("fill", "before", "after"), [*product(["constant", "edge", "reflect"], (0, 1, 3), (0, 2))])
def test_a_padding_reads_what_it_repeats(fill: str, before: int, after: int, tmp_path: Path) -> None:
    node = helper.make_node("Pad", ["x", "p"], ["y"], mode=fill)
    pads = np.array([0, 0, 0, before, 0, 0, 0, after], np.int64)
    model = build(node, 5, 5 + before + after, {"p": pads})
    found = read_positions(model, 5, tmp_path / "m.onnx")
    assert found is not None
    assert [set(places) for places in found] == depend(model, 5)
