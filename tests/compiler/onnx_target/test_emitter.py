"""What a rule writes: constants, of the type of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from archspec.errors import ArchspecError
from archspec.ops import Scale, Shape
from compiler.graph import Graph
from compiler.onnx_target.emitter import OnnxNode, OnnxValue
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import ExportOptions
from tests.support.lowering import graph_of

FP16, BF16 = ExportOptions(precision="fp16"), ExportOptions(precision="bf16")


def build(graph: Graph, weights: Mapping[str, Any], options: ExportOptions) -> OnnxModel:
    return build_model(graph, {name: np.asarray(value) for name, value in weights.items()}, options=options)


def test_a_constant_that_would_be_zero_is_refused() -> None:
    graph = graph_of(Scale(value=1e-9), Shape(3))
    with pytest.raises(ArchspecError, match=r"op\.factor is 1e-09, which is zero in float16: export in bf16 or fp32"):
        build(graph, {}, FP16)
    for options in (BF16, ExportOptions()):
        assert build(graph, {}, options).tensors["op.factor"]
    assert not build(graph_of(Scale(value=0.0), Shape(3)), {}, FP16).tensors["op.factor"]


def test_only_operations_of_other_domains_say_theirs() -> None:
    """A field that is set takes room, be it empty."""
    own, other = (OnnxNode(kind, "n", [], OnnxValue("y"), {}).to_proto() for kind in ("Relu", "com.microsoft.Gelu"))
    assert (own.HasField("domain"), other.domain, other.op_type) == (False, "com.microsoft", "Gelu")
