"""Transposed convolutions whose output padding reaches the stride: torch runs them, ONNX Runtime has no such attribute,
and the file says them in another way. Torch is the witness, in all ranks, at fixed and at free sizes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from archspec.api import to_torch
from archspec.errors import Place
from archspec.ops import ConvTranspose, Input, Shape
from archspec.ops.values import OpError
from compiler.graph import Graph, Node, NodeSource
from compiler.onnx_target.model import build_model
from tests.support.lowering import (
    TOLERANCE,
    compare,
    difference,
    export,
    graph_of,
    run_onnx,
    run_torch,
    sample_inputs,
    stir,
)


def draw(rank: int, count: int) -> Iterator[tuple[ConvTranspose, Shape]]:
    chance = random.Random(f"output padding {rank}")
    while count:
        dilation = chance.randint(2, 4)
        stride = chance.randint(1, dilation - 1)
        op = ConvTranspose(
            out=4,
            kernel=chance.randint(1, 3),
            stride=stride,
            dilation=dilation,
            padding=chance.randint(0, 4),
            output_padding=chance.randint(stride, dilation - 1),
            groups=chance.choice((1, 2)),
            bias=chance.random() < 0.5,
        )
        shape = Shape(2, *(chance.randint(3, 6) for _ in range(rank)))
        try:
            op.infer(shape)
        except OpError:
            continue
        yield op, shape
        count -= 1


def with_free_sizes(op: ConvTranspose, shape: Shape) -> Graph:
    letters = "DHW"[: shape.rank]
    source = NodeSource(Place("test.yaml"))
    x = Node("x", Input(dims=(shape.channels, *letters)), (), shape, source)
    nodes = {"x": x, "op": Node("op", op, ("x",), op.infer(shape), source)}
    return Graph("free", nodes, {"y": "op"}, dict(zip(letters, shape.space, strict=True)))


CASES = [case for rank in (1, 2, 3) for case in draw(rank, 8)]


@pytest.mark.parametrize(("op", "shape"), CASES, ids=str)
def test_torch_and_the_file_agree(op: ConvTranspose, shape: Shape, tmp_path: Path) -> None:
    assert compare(graph_of(op, shape), tmp_path, batches=(2,)) < TOLERANCE
    graph = with_free_sizes(op, shape)
    other = {letter: size + 3 for letter, size in graph.sizes.items()}
    assert compare(graph, tmp_path, batches=(1, 2), sizes=({}, other)) < TOLERANCE
    model = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "one_op.onnx"), strict_mode=True, data_prop=True)
    (result,) = model.graph.output
    assert [item.dim_value for item in result.type.tensor_type.shape.dim[1:]] == list(op.infer(shape))


def test_a_kernel_that_is_shifted_by_one_shows(tmp_path: Path) -> None:
    """The comparison sees what the other form might do wrong."""
    op, shape = next((op, shape) for op, shape in CASES if op.kernel == 3 and shape.rank == 2)
    graph = graph_of(op, shape)
    module = stir(to_torch(graph))
    path = export(graph, module.state_dict(), tmp_path)
    inputs = sample_inputs(graph, 2)
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) < TOLERANCE
    with torch.no_grad():
        kernel = module.state_dict()["op.weight"]
        kernel.copy_(kernel.roll(1, -1))
    assert difference(run_torch(graph, module, inputs), run_onnx(path, inputs)) > 10 * TOLERANCE


@pytest.mark.parametrize(("stride", "dilation", "written"), [(3, 1, 2), (2, 3, 0)])
def test_an_output_padding_below_the_stride_stays_an_attribute(stride: int, dilation: int, written: int) -> None:
    op = ConvTranspose(out=4, kernel=3, stride=stride, dilation=dilation, padding=1, output_padding=2)
    graph = graph_of(op, Shape(2, 5, 5))
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    (node,) = build_model(graph, weights).head.graph.node
    (found,) = (item.ints for item in node.attribute if item.name == "output_padding")
    assert list(found) == [written] * 2
