"""Every operation × every concern. An operation without an example here fails by its name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from archspec import ops
from archspec.api import to_onnx, to_torch
from archspec.errors import ModelError
from archspec.ops import Op, Shape
from archspec.spec.schema import json_schema
from compiler.analysis.cost.cost import measure_cost
from compiler.onnx_source.read import read_graph
from compiler.torch_target.rules import RULES as TORCH_RULES
from tests.support.lowering import TOLERANCE, compare, graph_of, run_torch, sample_inputs, stir
from tests.support.op_examples import EXAMPLES, walk

NOT_READ_BACK = {
    ops.EnterWindows: "the file has a padding and slices that are joined",
    ops.LeaveWindows: "the file has slices that are joined",
    ops.Attention: "ONNX has it from opset 23; before, it is products and a softmax",
    ops.Crop: "the file has where it cuts, not after which operand",
    ops.RepeatSpace: "the file has the extents, not whose they are",
    ops.PadSpace: "the file has how much it pads, not after which operand",
    ops.Map: "the file has the extents, not whose they are",
    ops.Roll: "the file has two slices and a concatenation",
    ops.Resize: "the file has the extents, not whose they are",
    ops.AdaptiveAvgPool: "the file has windows of one extent, or slices",
    ops.AdaptiveMaxPool: "the file has windows of one extent, or slices",
    ops.MaxUnpool: "the file has the places of a pooling, and puts numbers there along rows",
    ops.Vote: "ONNX has no node for it",
    ops.RmsNorm: "the file has the mean square, its root and a division",
    ops.L2Norm: "the file has the length and a division",
    ops.ChannelConv: "the file has a convolution along one axis of space, between two changes of shape",
    ops.Glu: "the file has the halves of the channels, and the product of one and a sigmoid",
}
"""The operations that a reader of their files finds as others, and why."""

GLOBAL_POOLS = {ops.Reduce(over="positions"), ops.Reduce(over="positions", by="max")}
"""The reductions that are read as the words for global pooling."""

GROWN_KERNELS = {ops.ConvTranspose(out=6, kernel=3, stride=(1, 2), dilation=(2, 1), output_padding=1)}
"""Transposed convolutions whose files have taps of zeros more in the kernel, for an output padding above the stride."""

SHARES_OF_PARTS = {ops.Softmax(branches=2), ops.Softmax(over="positions")}
"""The softmaxes of which the file has one along an axis, between two changes of shape, unless they are of rows."""

INSTANCES_OF_VECTORS = {
    *(ops.LayerNorm(), ops.LayerNorm(over="channels", affine=False)),
    *(ops.GroupNorm(groups=4), ops.GroupNorm(groups=2, affine=False)),
}
"""The normalizations that the file of a vector holds as one over instances, between two changes of its shape."""


def test_every_op_has_an_example() -> None:
    assert {type(op) for op, _ in EXAMPLES} | {ops.Input} == set(ops.OPS)


def test_every_op_has_a_torch_rule() -> None:
    assert set(TORCH_RULES) | {ops.Input} == set(ops.OPS)


def test_every_layer_is_a_word_of_the_schema() -> None:
    words = json_schema()["$defs"]["node"]["anyOf"][1]["properties"]
    assert set(ops.LAYERS) <= set(words)


@walk
def test_shape_is_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    found = run_torch(graph, to_torch(graph), sample_inputs(graph, 2))["y"].shape
    assert found == (2, *op.infer(*shapes))


@walk
def test_weights_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    module = to_torch(graph)
    assert {name: tuple(value.shape) for name, value in module.state_dict().items()} == {
        name: weight.shape for name, weight in graph.weights.items()
    }
    cost = measure_cost(graph)
    assert cost.parameters == sum(p.numel() for p in module.parameters() if p.requires_grad)
    assert cost.buffers == sum(b.numel() for b in module.buffers())


@walk
def test_macs_are_torchs(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    # of attention it counts the products, and not the kernel that makes them at once on a CPU
    # and an LSTM in double precision step by step, not in oneDNN's one piece, in which it sees nothing
    inputs = {
        name: value.astype(np.float64) if value.dtype == np.float32 else value
        for name, value in sample_inputs(graph, 1).items()
    }
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run_torch(graph, to_torch(graph).double(), inputs)
    assert counter.get_total_flops() == measure_cost(graph).macs["flops"]


@walk
def test_onnx_runtime_agrees_with_torch(op: Op, shapes: tuple[Shape, ...], tmp_path: Path) -> None:
    assert compare(graph_of(op, *shapes), tmp_path) < TOLERANCE


@walk
def test_a_file_is_read_back_as_the_same_op(op: Op, shapes: tuple[Shape, ...], tmp_path: Path) -> None:
    """As what it is without chance and statistics of a batch, or as nothing where it does nothing then."""
    graph, path = graph_of(op, *shapes), tmp_path / "op.onnx"
    to_onnx(graph, stir(to_torch(graph)).state_dict(), path, verify=False)
    if op.data_inputs == 0:  # alone, it depends on no input
        with pytest.raises(ModelError, match="no output that depends on an input"):
            read_graph(path)
        return
    read = read_graph(path)
    found = {type(node.op) for node in read if node.id not in read.inputs}
    plain = op.at_inference()
    wanted = set() if plain.changes_nothing(*shapes) else {type(plain)}
    as_others = type(op) in NOT_READ_BACK or op in GLOBAL_POOLS | GROWN_KERNELS
    as_others = as_others or (op in INSTANCES_OF_VECTORS and len(shapes[0]) == 1)
    as_others |= isinstance(op, ops.LocalResponseNorm) and shapes[0].rank != 2  # between two changes of shape
    as_others |= op in SHARES_OF_PARTS and (op == ops.Softmax(branches=2) or shapes[0].rank > 1)
    assert (found != wanted) is as_others, found


@walk
def test_training_reaches_every_parameter(op: Op, shapes: tuple[Shape, ...]) -> None:
    graph = graph_of(op, *shapes)
    module = stir(to_torch(graph)).train()
    inputs = {name: torch.from_numpy(value) for name, value in sample_inputs(graph, 4).items()}
    leaves = {name: value.requires_grad_() for name, value in inputs.items() if value.is_floating_point()}
    result = module(*inputs.values())
    if not (leaves or any(value.requires_grad for value in module.parameters())) or isinstance(op, ops.Vote):
        assert not result.requires_grad  # a table that is given; and who is the largest has no gradient
        return
    result.square().sum().backward()
    leaves = {name: value for name, value in leaves.items() if name in graph["op"].data_inputs}
    learned = {name: value for name, value in module.named_parameters() if value.requires_grad}
    for name, leaf in [*learned.items(), *leaves.items()]:
        assert leaf.grad is not None, name
        assert torch.isfinite(leaf.grad).all(), name
