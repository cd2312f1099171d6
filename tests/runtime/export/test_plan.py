"""A plan of an export: what goes together, and that functions take its fields as keywords."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import archspec
from archspec.errors import ArchspecError
from compiler.onnx_target.options import ExportOptions
from runtime.export.ensemble import Sampling, SamplingKeywords
from runtime.export.plan import Calibration, ExportKeywords, ExportPlan
from runtime.training.fitting import FittingKeywords
from runtime.verification.options import VerifyKeywords, VerifyOptions

INT8 = ExportOptions(precision="int8")

PAIRS = [(ExportPlan, ExportKeywords), (Sampling, SamplingKeywords), (VerifyOptions, VerifyKeywords)]
FUNCTIONS = [
    (archspec.to_onnx, ExportKeywords),
    (archspec.sample_ensemble, SamplingKeywords),
    (archspec.verify_model, VerifyKeywords),
    (archspec.train, FittingKeywords),
]


@pytest.mark.parametrize(("kind", "keywords"), PAIRS)
def test_keywords_are_the_fields(kind: Any, keywords: Any) -> None:
    assert list(keywords.__annotations__) == [field.name for field in fields(kind)]


@pytest.mark.parametrize(("function", "keywords"), FUNCTIONS)
def test_help_tells_each_keyword(function: Any, keywords: Any) -> None:
    told = function.__doc__
    assert [name for name in keywords.__annotations__ if f"`{name}`" not in told and f" {name}=" not in told] == []


to_onnx: Any = archspec.to_onnx
verify_model: Any = archspec.verify_model
sample_ensemble: Any = archspec.sample_ensemble
"""As who checks no types calls them."""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda *given: to_onnx(*given, "m.onnx", verfy=False), "to_onnx.. .*'verfy'; did you mean 'verify'?"),
        (lambda *given: verify_model("m.onnx", given, batch=[1]), "verify_model.. .*'batch'"),
        (
            lambda *given: sample_ensemble(*given, "mean", data="digits", pass_=2),
            "sample_ensemble.. .*'pass_'",
        ),
        (lambda *given: sample_ensemble(*given, "mean", data="digits"), "sample_ensemble.. misses .*'passes'"),
    ],
    ids=["to_onnx", "verify_model", "sample_ensemble", "passes"],
)
def test_an_unknown_keyword_is_no_keyword(call: Any, message: str, tmp_path: Path) -> None:
    graph = archspec.elaborate(archspec.load("residual_mlp"))
    with pytest.raises(TypeError, match=message):
        call(graph, archspec.to_torch(graph).state_dict())


def test_int8_and_calibration_go_together() -> None:
    for plan in ({"options": INT8}, {"calibration": Calibration(data="digits")}):
        with pytest.raises(ArchspecError, match="int8 needs calibration data, and calibration data is for int8 alone"):
            ExportPlan(**plan)
    assert ExportPlan(options=INT8, calibration=Calibration(data="digits")).verify
