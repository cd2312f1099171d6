"""Exports to verify, and what a verification says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from archspec.api import elaborate, load, to_onnx, to_torch
from compiler.graph import Graph
from runtime.verification.checks import Check
from runtime.verification.report import Verification
from tests.support.lowering import stir

Extents = Sequence[int | str | None]


FLOAT = TensorProto.FLOAT


make_node = helper.make_node


def save(
    folder: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Extents],
    outputs: dict[str, Extents],
    weights: dict[str, Any] | None = None,
    kind: int = FLOAT,
    opset: int = 17,
    gives: int | None = None,
) -> Path:
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, gives or kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    preview = helper.make_opsetid("ai.onnx.preview.training", 1)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset), preview], ir_version=8)
    path = folder / "m.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def row(found: Verification, name: str) -> Check:
    return next(check for check in found.checks if check.name == name)


def steer(folder: Path, node: onnx.NodeProto, declared: Extents) -> Path:
    """x and whole numbers, by which a node makes y."""
    path = save(folder, [node], {"x": [2, 3], "by": [2]}, {"y": declared})
    model = onnx.load(path)
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT64
    onnx.save(model, path)
    return path


def make(spec: str = "resnet_digits", seed: int = 0) -> tuple[Graph, nn.Module]:
    graph = elaborate(load(spec))
    return graph, stir(to_torch(graph, seed=seed), seed)


def export(folder: Path, graph: Graph, module: nn.Module) -> Path:
    path = folder / "m.onnx"
    to_onnx(graph, module.state_dict(), path, verify=False)
    return path


def spoil(path: Path, name: str = "linear_0.bias", number: float = 0.5) -> None:
    model = onnx.load(path)
    tensor = next(item for item in model.graph.initializer if item.name == name)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[1] = number
    tensor.CopyFrom(numpy_helper.from_array(array, name))
    onnx.save(model, path)


def statuses(found: Verification) -> dict[str, str]:
    return {check.name: check.status for check in found.checks}


def runs(found: Verification) -> list[Check]:
    return [check for check in found.checks if " × " in check.name]


def text_of(found: Verification, name: str) -> str:
    return next(check.text for check in reversed(found.checks) if check.name == name)
