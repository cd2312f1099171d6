"""How far attention in half precision is off, at random, against the module in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest

from archspec.api import to_torch
from archspec.ops import Attention, Shape
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.write import write_model
from tests.support.lowering import difference, graph_of, run_onnx, run_torch, sample_inputs, stir
from tests.support.rounding import COSINES, TOLERANCE, round_file

Similarity = Literal["dot", "cosine"]
Bias = Literal["none", "relative", "continuous"]


def draw_cases(similarity: Similarity, count: int) -> Iterator[tuple[Attention, Shape]]:
    """Attention in windows that are shifted, with heads of 4 to 32 channels."""
    random = np.random.default_rng(0)
    for _ in range(count):
        heads, width, window = (int(number) for number in random.integers((1, 4, 2), (5, 33, 8)))
        shift, extent = int(random.integers(window)), window * int(random.integers(1, 3))
        bias: Bias = get_args(Bias)[random.integers(3)]
        op = Attention(heads=heads, window=window, shift=shift, bias=bias, similarity=similarity)
        yield op, Shape(heads * width, extent, extent)


def measure(op: Attention, shape: Shape, precision: Literal["fp16", "bf16"], folder: Path) -> float:
    """The largest difference, in tolerances of one operation."""
    graph = graph_of(op, *[shape] * 3)
    module, inputs = stir(to_torch(graph)), sample_inputs(graph, 2)
    weights = {name: value.numpy().copy() for name, value in module.state_dict().items()}
    wide = {name: array.astype(np.float64) for name, array in inputs.items()}
    expected = run_torch(graph, module.double(), wide)
    path = folder / "half.onnx"
    write_model(build_model(graph, weights, options=ExportOptions(precision=precision)), path)
    found = run_onnx(round_file(path), inputs)
    return difference(expected, {"y": found["y"].astype(np.float64)}) / TOLERANCE[precision]


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_cosines_need_their_own_tolerance(precision: Literal["fp16", "bf16"], tmp_path: Path) -> None:
    """No case is beyond it, and half of that would not do."""
    found = [measure(op, shape, precision, tmp_path) for op, shape in draw_cases("cosine", 20)]
    assert COSINES / 2 < max(found) < COSINES, found


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_products_need_less(precision: Literal["fp16", "bf16"], tmp_path: Path) -> None:
    means = [
        np.mean([measure(op, shape, precision, tmp_path) for op, shape in draw_cases(kind, 20)])
        for kind in get_args(Similarity)
    ]
    assert means[0] < means[1]
