"""Which passes an export runs: forms for CPUs only where they were measured."""

from __future__ import annotations

import pytest

from compiler.onnx_target.options import ExportOptions, Precision, Target
from compiler.onnx_target.pipeline import EXACT, FOR_CPU, choose_passes


@pytest.mark.parametrize(
    ("target", "precision", "forms"),
    [("cpu", "fp32", True), ("any", "fp32", False), ("cpu", "fp16", False), ("cpu", "int8", False)],
)
def test_forms_for_cpus_are_for_single_precision_alone(target: Target, precision: Precision, forms: bool) -> None:
    chosen = choose_passes(ExportOptions(target=target, precision=precision))
    assert chosen == (FOR_CPU if forms else EXACT)
    assert chosen[: len(EXACT)] == EXACT
