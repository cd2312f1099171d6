"""What onnx's reference implementation would take long for, it is not asked for: neither as a witness nor in double
precision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import verify_model
from archspec.arrays import Array
from runtime.session.inputs import make_inputs
from runtime.verification.checks import UnansweredError
from runtime.verification.model.inside import ModelInside
from runtime.verification.runs import feeds
from runtime.verification.witness.node_work import count_loops, count_work
from runtime.verification.witness.witness import PLAIN, REFERENCE, Witness

make_node = helper.make_node
FUNCTIONAL = torch.nn.functional


def save(folder: Path, nodes: Sequence[onnx.NodeProto], weights: dict[str, Any], shape: Sequence[int | str]) -> Path:
    x, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, extents) for name, extents in (("x", shape), ("y", None))
    )
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(list(nodes), "g", [x], [y], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    return folder / "m.onnx"


CASES: dict[str, tuple[Any, list[tuple[int, ...]], float]] = {
    "Conv": (lambda x, w: FUNCTIONAL.conv2d(x, w, padding=1), [(2, 6, 9, 8), (4, 6, 3, 2)], 1),
    "Conv, groups": (lambda x, w: FUNCTIONAL.conv2d(x, w, groups=3), [(2, 6, 9, 8), (9, 2, 3, 2)], 1),
    "ConvTranspose": (lambda x, w: FUNCTIONAL.conv_transpose2d(x, w, stride=2), [(2, 6, 5, 4), (6, 4, 3, 2)], 1),
    "MatMul": (torch.matmul, [(7, 5), (5, 11)], 1),
    "MatMul, batches": (torch.matmul, [(4, 7, 5), (4, 5, 11)], 2),  # at most: the root of the batch
    "Gemm": (lambda a, b: a.T @ b, [(5, 7), (5, 11)], 1),
    "Einsum": (lambda a, b: torch.einsum("ij,jk->ik", a, b), [(7, 5), (5, 11)], 1),
}


@pytest.mark.parametrize("case", CASES)
def test_products_are_counted_as_torch_counts_them(case: str) -> None:
    compute, shapes, factor = CASES[case]
    operands = [torch.zeros(shape) for shape in shapes]
    with FlopCounterMode(display=False) as counter:
        size = compute(*operands).numel()
    node = make_node(case.partition(",")[0], [], [])
    rest = sum(operand.numel() for operand in operands) + count_loops(node, size)
    found = count_work(node, [operand.numpy() for operand in operands], size) - rest
    assert found == factor * counter.get_total_flops() // 2
    assert count_work(make_node("Add", [], []), [operand.numpy() for operand in operands], size) < rest + found


def test_recurrent_layers_are_counted_step_by_step() -> None:
    x, w, r = (np.zeros(shape, np.float32) for shape in ((9, 2, 3), (1, 16, 3), (1, 16, 4)))
    rest = x.size + w.size + r.size
    assert count_work(make_node("LSTM", [], []), [x, w, r, None], 0) - rest == 9 * 2 * 16 * (3 + 4)


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
def test_pools_are_not_left_to_python_where_they_are_large(kind: str, tmp_path: Path) -> None:
    node = make_node(kind, ["x"], ["y"], kernel_shape=[2, 2])
    witness = Witness(ModelInside(save(tmp_path, [node], {}, ("N", 1, "H", "W"))))
    small, large = ({"x": np.zeros((1, 1, size, size), np.float32)} for size in (9, 900))
    assert witness.run(small)[0] == REFERENCE
    assert witness.run(large)[0] == PLAIN
    relu = Witness(ModelInside(save(tmp_path, [make_node("Relu", ["x"], ["y"])], {}, ("N", 1, "H", "W"))))
    assert relu.run(large)[0] == REFERENCE


def test_taps_that_move_are_sampled_anew_for_every_weight(tmp_path: Path) -> None:
    node = make_node("DeformConv", ["x", "w", "o"], ["y"], kernel_shape=[2, 3])
    assert count_loops(node, 10, (4, 5, 2, 3)) == 30 * count_loops(node, 10)
    w, o = np.zeros((4, 5, 2, 3), np.float32), np.zeros((1, 12, 2, 2), np.float32)
    x = np.zeros((1, 5, 3, 4), np.float32)
    assert count_work(node, [x, w, o], 16) > count_loops(node, 16, w.shape)
    nodes = [make_node("Conv", ["x", "k"], ["o"], kernel_shape=[2, 3]), node]
    path = save(tmp_path, nodes, {"w": w, "k": np.zeros((12, 5, 2, 3), np.float32)}, ("N", 5, "H", "W"))
    model = onnx.load(path)
    model.opset_import[0].version, model.ir_version = 19, 9
    onnx.save(model, path)
    witness = Witness(ModelInside(path))
    small, large = ({"x": np.zeros((1, 5, size, size), np.float32)} for size in (4, 32))
    assert witness.run(small)[0] == REFERENCE
    assert witness.run(large)[0] == PLAIN


def build_branches(kind: str) -> Sequence[onnx.NodeProto]:
    if kind == "Conv":
        return [make_node("Conv", ["x", "w"], ["y"], name="conv")]
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branch = helper.make_graph([make_node("Conv", ["x", "w"], ["z"])], "b", [], [z])
    yes = numpy_helper.from_array(np.array(True))
    return [
        make_node("Constant", [], ["c"], value=yes),
        make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]


@pytest.mark.parametrize("kind", ["Conv", "If"])
def test_what_is_too_large_for_double_precision_has_no_verdict(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path, build_branches(kind), {"w": np.full((4, 3, 3, 3), 3e38, np.float32)}, (1, 3, 8, 8))
    found = verify_model(path)  # the control
    assert not found.passed
    assert any("in double precision, and float32 ends at" in check.text for check in found.checks)
    monkeypatch.setattr("runtime.verification.witness.double_precision.MAX_MACS", 1000)
    told = (
        "cannot be computed in double precision: it is too large, with the work of .* where onnx.reference is asked for"
    )
    with pytest.raises(UnansweredError, match=told):
        verify_model(path)


def test_inputs_are_made_once_for_each_run_and_runs_are_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def make(*given: Any) -> dict[str, Array]:
        made.append(1)
        return make_inputs(*given)

    monkeypatch.setattr(feeds, "make_inputs", make)
    path = save(tmp_path, [make_node("Relu", ["x"], ["y"])], {}, (1, 30))
    heard: list[str] = []
    assert verify_model(path, on_check=heard.append).passed
    assert heard == ["content", "x 1 × 30", "batch"]
    assert len(made) == 1
    path = save(tmp_path, [make_node("Relu", ["x"], ["y"])], {}, ("batch", 30))
    heard.clear()
    found = verify_model(path, on_check=heard.append)
    assert heard == ["content", *(check.name for check in found.checks if " × " in check.name), "batch"]
    assert len(made) == 1 + len(heard) - 2
