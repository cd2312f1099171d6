"""What an export may choose."""

from __future__ import annotations

from typing import Any

import pytest

from archspec.errors import ArchspecError
from compiler.onnx_target.options import ExportOptions


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"precision": "fp61"}, "precision is one of fp32, fp16, bf16, int8, not 'fp61'; did you mean 'fp16'"),
        ({"io": "float"}, "io is one of same, fp32, not 'float'"),
        ({"target": "gpu"}, "target is one of any, cpu, tensorrt, not 'gpu'"),
    ],
)
def test_an_unknown_choice_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        ExportOptions(**wrong)
