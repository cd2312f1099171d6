"""What operations from elsewhere are called: the word that frameworks have for them, and what matters of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest

from compiler.analysis.outline import Branch, fold_tree
from compiler.draw.facts import list_facts
from compiler.draw.labels import label_op
from compiler.draw.theme import kind_of
from compiler.onnx_source.ops.foreign import Foreign
from compiler.onnx_source.ops.moves import OrderChannels, Rearrange
from compiler.onnx_source.read import read_graph
from tests.support.foreign_models import Arrays, floats, node
from tests.support.models import build_model, save

MAP = (1, 4, 9, 12)
WORDS: list[tuple[onnx.NodeProto, Arrays, str, str, str]] = [
    (node("PRelu", "x s"), {"s": floats(4, 9, 1)}, "prelu", "prelu", "activation"),
    (node("Erf", "x"), {}, "erf", "erf", "call"),
    (node("Pow", "x n"), {"n": np.float32(3)}, "pow x, 3", "pow(of=x, 3)", "call"),
    (node("Div", "n x"), {"n": np.float32(2)}, "div 2, x", "div(of=2, x)", "call"),
    (node("Add", "x s"), {"s": floats(9, 12)}, "add", "add", "call"),
    (node("Softmax", "x", axis=-1), {}, "softmax", "softmax", "activation"),
    (node("LogSoftmax", "x", axis=2), {}, "log_softmax, axes = -2", "log_softmax(axes=-2)", "call"),
    (
        node("LayerNormalization", "x s b"),
        {"s": floats(12), "b": floats(12)},
        "layer_norm",
        "layer_norm",
        "norm",
    ),
    (node("MatMul", "x w"), {"w": floats(12, 5)}, "linear 5", "linear(out=5)", "kernel"),
    (node("ReduceSum", "x a", keepdims=0), {"a": np.array([3])}, "sum", "sum", "call"),
    (
        node("Slice", "x a b c d"),
        {"a": np.array([1, 8]), "b": np.array([7, -99]), "c": np.array([2, 3]), "d": np.array([2, -4])},
        "slice 0:4, 1:7:2, 8::-4",
        "slice(positions=0:4, 1:7:2, 8::-4)",
        "resize",
    ),
    (
        node("Pad", "x a", mode="reflect"),
        {"a": np.array([0, 1, 1, 2, 0, 0, 1, 2])},
        "pad reflect, before = 1, 1, 2",
        "pad(fill=reflect, before=1, 1, 2)",
        "resize",
    ),
    (node("DepthToSpace", "x", blocksize=2), {}, "depth_to_space 2", "depth_to_space(block=2)", "resize"),
    (node("Det", "x"), {}, "unknown Det", "unknown(operation=Det)", "call"),
]


@pytest.mark.parametrize(("what", "arrays", "drawn", "listed", "kind"), WORDS, ids=[row[0].op_type for row in WORDS])
def test_an_operation_is_called_as_frameworks_call_it(
    what: onnx.NodeProto, arrays: Arrays, drawn: str, listed: str, kind: str, tmp_path: Path
) -> None:
    shape = (1, 4, 9, 9) if what.op_type == "Det" else MAP
    model = build_model([what], {"x": shape}, {"y": None}, arrays)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    model.opset_import[0].version = 17
    graph = read_graph(save(model, tmp_path / "m.onnx"))
    found = next(node for node in graph if isinstance(node.op, Foreign))
    assert label_op(found.op, found.op, found.shape.rank) == drawn
    assert listed in [str(branch.layer) for branch in walk(fold_tree(graph))]
    assert kind_of(found.op) == kind
    operations = list_facts(graph, None)[0].texts
    assert drawn.startswith(operations[list(graph.nodes).index(found.id)])


def test_a_transposition_and_a_shuffle_have_their_words() -> None:
    turned = Rearrange(gives=(12, 4, 9), function="transpose", perm=(2, 0, 1))
    assert label_op(turned, turned, 2) == "transpose 2, 0, 1"
    assert OrderChannels(gives=(4, 9, 9)).word == "channel_shuffle"


def walk(branch: Branch) -> Iterator[Branch]:
    yield branch
    for child in branch.children:
        yield from walk(child)
