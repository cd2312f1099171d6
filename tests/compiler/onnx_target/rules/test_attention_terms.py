"""What is added to the scores is one term, which a runtime that knows the extents computes beforehand."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from compiler.onnx_target.model import build_model
from compiler.onnx_target.write import to_bytes
from tests.support.transformers import build_swin


def test_a_runtime_that_knows_the_extents_computes_masks_beforehand(tmp_path: Path) -> None:
    graph = build_swin("H", "W", H=8, W=12)
    weights = {name: np.ones(weight.shape, np.float32) for name, weight in graph.weights.items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = f"{tmp_path}/optimized.onnx"
    for name, extent in {**graph.sizes, "batch": 1}.items():
        options.add_free_dimension_override_by_name(name, extent)
    onnxruntime.InferenceSession(to_bytes(build_model(graph, weights)), options, providers=["CPUExecutionProvider"])
    found = Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)
    assert not {"Shape", "Range", "Equal", "Greater", "Min", "Mul"} & found.keys()
