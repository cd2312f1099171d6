"""The shapes of a proof's outputs against the graph's: an untrue rule of shapes is found, whoever agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

from archspec.errors import ArchspecError
from archspec.ops import Layer, Shape
from compiler.graph import Graph
from compiler.onnx_target.emitter import Emitter, OnnxValue
from runtime.export.export import export
from runtime.export.plan import ExportPlan
from runtime.verification.proof.proof import Proof, ProofCase
from runtime.verification.proof.shapes import hold_shapes
from tests.support.documents import graph_from

DOCUMENT: dict[str, Any] = {"archspec": 1, "inputs": {"x": [2, "H", 8]}, "sizes": {"H": 8}}


@pytest.fixture(scope="module")
def graph() -> Graph:
    return graph_from({**DOCUMENT, "network": [{"conv": {"out": 4, "stride": 2}}]})


@pytest.mark.parametrize(
    ("found", "right"), [((3, 4, 5, 4), True), ((3, 4, 4, 4), False), ((3, 5, 5, 4), False), ((3, 4, 5), False)]
)
def test_the_shapes_are_those_at_the_sizes_of_the_case(graph: Graph, found: tuple[int, ...], right: bool) -> None:
    proof = Proof(1e-4, (ProofCase({"x": (3, 2, 10, 8)}, {"output": found}, {"output": 0.0}),))
    if right:
        hold_shapes(graph, proof)
        return
    said = "×".join(map(str, found[1:]))
    with pytest.raises(
        ArchspecError, match=f"x 3 × 2 × 10 × 8 output 'output' is {said} in .*, and 4×5×4 by the graph$"
    ):
        hold_shapes(graph, proof)


class Halved(Layer):
    """An operation that says it halves the extents, and keeps them."""

    def infer(self, x: Shape) -> Shape:
        return Shape(x.channels, *(extent // 2 for extent in x.space))

    def torch_module(self, x: Shape) -> nn.Module:
        return nn.ReLU()

    def onnx_nodes(self, emit: Emitter, x: OnnxValue) -> OnnxValue:
        return emit.op("Relu", [x])


class Unsayable(Halved):
    def infer(self, x: Shape) -> Shape:
        return x

    def onnx_nodes(self, emit: Emitter, x: OnnxValue) -> OnnxValue:
        return emit.op("TopK", [x])


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Halved, r"is 2×8×8 in torch and ONNX, and 2×4×4 by the graph; the shape rule .* may be wrong: ext_0"),
        (Unsayable, r"not what ONNX allows: Node\(ext_0\) with .*TopK"),
    ],
)
def test_an_extension_that_is_wrong_ends_an_export_with_a_message(
    tmp_path: Path, op: type[Layer], message: str
) -> None:
    graph = graph_from({**DOCUMENT, "network": [{"ext": {"use": "own"}}]}, extensions={"own": op})
    with pytest.raises(ArchspecError, match=message):
        export(graph, {}, tmp_path / "m.onnx", ExportPlan())
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_fails_in_the_proof_is_told(tmp_path: Path) -> None:
    class Narrow(Unsayable):
        def torch_module(self, x: Shape) -> nn.Module:
            return nn.PixelShuffle(7)

        def onnx_nodes(self, emit: Emitter, x: OnnxValue) -> OnnxValue:
            return emit.op("Relu", [x])

    graph = graph_from({**DOCUMENT, "network": [{"ext": {"use": "own"}}]}, extensions={"own": Narrow})
    with pytest.raises(ArchspecError, match=r"for the input x .* torch fails: RuntimeError: "):
        export(graph, {}, tmp_path / "m.onnx", ExportPlan())
