"""Exports to verify, and what a verification says of them."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import numpy_helper
from torch import nn

from archspec.api import elaborate, load, to_onnx, to_torch
from compiler.graph import Graph
from runtime.verification.checks import Check, Verification
from tests.support.lowering import stir


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
