"""Two readers of ONNX that share no code with ONNX Runtime: onnx's reference implementation, and OpenVINO.

Every operation and small networks of the zoo agree in all three, at several batches and sizes of one file each.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from archspec.api import elaborate, load, proof_cases, to_torch
from archspec.ops import (
    AvgPool,
    ConvTranspose,
    DeformConv,
    GlobalMaxPool,
    LocalResponseNorm,
    MaxPool,
    Op,
    Shape,
    Upsample,
)
from archspec.ops.fields import along
from tests.support.lowering import TOLERANCE, Arrays, difference, export, graph_of, run_onnx, sample_inputs, stir
from tests.support.op_examples import walk
from tests.support.openvino_core import compile_openvino

Witness = Callable[[Path, list[Arrays]], list[Arrays]]
"""The outputs of a file, read once, for each of some inputs."""

SMALL = (
    *("resnet_digits", "resnet20", "wide_resnet16_4", "se_net", "mobilenet_v2"),
    *("shake_shake26_2x32d", "highway10", "residual_mlp", "mlp_norm"),
)
LARGE = (
    *("resnet50", "preresnet164", "densenet_40_12", "resnext29_8x64d", "shortcut_exclusive_gate", "convnext_tiny"),
    *("efficientnet_b0", "unet_same", "unet_bilinear", "unet_plus_plus", "hourglass2"),
)


def run_reference(path: Path, cases: list[Arrays]) -> list[Arrays]:
    model = onnx.load(path)
    names = [output.name for output in model.graph.output]
    with np.errstate(all="ignore"):
        evaluator = ReferenceEvaluator(model)
        return [dict(zip(names, cast(list[Any], evaluator.run(names, case)), strict=True)) for case in cases]


def run_openvino(path: Path, cases: list[Arrays]) -> list[Arrays]:
    """An output has its name, and may have those of the nodes that it was made of."""
    names = {output.name for output in onnx.load(path, load_external_data=False).graph.output}
    model = compile_openvino(path)
    found = []
    for case in cases:
        result = model(case)
        found.append({min(output.names & names): np.array(result[output]) for output in model.outputs})
    return found


def find_fault(witness: Witness, op: Op, shape: Shape) -> str | None:
    """Where a witness is known to be wrong, and why. Once it no longer is, the test says so."""
    if witness is run_reference and isinstance(op, ConvTranspose) and op.groups > 1:
        return "onnx 1.23: the kernel of a group is laid out for all of them"
    if witness is run_reference and isinstance(op, GlobalMaxPool) and shape.rank != 2:
        return "onnx 1.23: the axes are those of two dimensions"
    if witness is run_reference and isinstance(op, MaxPool) and isinstance(op.padding, tuple):
        return "onnx 1.23: the padding before two axes is taken for that of one"
    if witness is run_reference and isinstance(op, Upsample) and op.corners == "aligned" and _is_rounded(op, shape):
        return "onnx 1.23: the last corner is where the scale has it, and not at the last position"
    if isinstance(op, LocalResponseNorm) and (witness is run_reference or op.alpha > 1):
        return "onnx 1.23 leaves out the last channel around each; OpenVINO 2026.4 is as far off with a large alpha"
    if witness is run_openvino and isinstance(op, DeformConv):
        return "OpenVINO 2026.4 reads no DeformConv of ONNX"
    pads = isinstance(op, MaxPool) and op.padding
    pads = pads or (isinstance(op, AvgPool) and op.padding and op.count == "all")
    if witness is run_openvino and pads and op.infer(shape) != op.model_copy(update={"ceil": False}).infer(shape):
        return "OpenVINO 2026.4: a last window that ceil adds is read where the padding has ended"
    return None


def _is_rounded(op: Upsample, shape: Shape) -> bool:
    """Tell whether the extents of a result are not just the scale's multiples."""
    scales = along(op.scale, shape, "scale")
    return any(scale * size % 1 for scale, size in zip(scales, shape.space, strict=True))


def spoil(path: Path) -> Path:
    """The same file with the weights of one output channel of its last layer doubled."""
    model = onnx.load(path)
    tensor = [item for item in model.graph.initializer if len(item.dims) > 1][-1]
    array = numpy_helper.to_array(tensor).copy()
    array[0] *= 2
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    wrong = path.with_name("wrong.onnx")
    onnx.save(model, wrong)
    return wrong


def farthest(witness: Witness, path: Path, other: Path, cases: list[Arrays]) -> float:
    """The largest difference between ONNX Runtime on one file and a witness on another."""
    found = witness(other, cases)
    return max(difference(run_onnx(path, case), outputs) for case, outputs in zip(cases, found, strict=True))


witnesses = pytest.mark.parametrize("witness", [run_reference, run_openvino])


@walk
@witnesses
def test_operations_agree(
    witness: Witness, op: Op, shapes: tuple[Shape, ...], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if fault := find_fault(witness, op, shapes[0]):
        request.applymarker(pytest.mark.xfail(reason=fault))
    graph = graph_of(op, *shapes)
    path = export(graph, stir(to_torch(graph)).state_dict(), tmp_path)
    cases = [sample_inputs(graph, batch) for batch in (1, 3)]
    assert farthest(witness, path, path, cases) < TOLERANCE


@witnesses
@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_networks_agree(witness: Witness, name: str, tmp_path: Path) -> None:
    """One file at all its sizes and batches; and a weight that is wrong shows."""
    graph = elaborate(load(name))
    path = export(graph, stir(to_torch(graph)).state_dict(), tmp_path)
    random = np.random.default_rng(0)
    cases = [
        {key: random.standard_normal(shape).astype(np.float32) for key, shape in case.items()}
        for case in proof_cases(graph)[:3]
    ]
    assert len({tuple(case[key].shape for key in case) for case in cases}) > 1
    assert farthest(witness, path, path, cases) < TOLERANCE
    assert farthest(witness, path, spoil(path), cases[:1]) > TOLERANCE
