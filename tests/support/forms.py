"""A pass against torch: the network before it in torch, the network after it on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
import torch

from compiler.graph import Graph
from compiler.onnx_target.model import build_model
from compiler.onnx_target.write import to_bytes
from compiler.passes.base import Pass, run_passes
from compiler.torch_target.module import build_module
from tests.support.lowering import Arrays, difference, run_torch, sample_inputs
from tests.support.rewriting import stirred


def compare_form(
    graph: Graph, passes: Sequence[Pass], damage: Callable[[Arrays], None] | None = None, batch: int = 2
) -> tuple[Graph, float]:
    """The graph after the passes, and the largest difference between torch before and ONNX Runtime after them.

    `damage` may spoil the arrays in between, for a control that must fail.
    """
    weights = stirred(graph)
    module = build_module(graph, weights)
    after, arrays, _ = run_passes(passes, graph, weights)
    computed = {name: np.array(array) for name, array in arrays.items()}
    if damage:
        damage(computed)
    inputs = sample_inputs(graph, batch)
    return after, difference(run_torch(graph, module, inputs), run_graph(after, computed, inputs))


def run_graph(graph: Graph, weights: Arrays, inputs: Arrays) -> Arrays:
    return run_model(to_bytes(build_model(graph, weights)), inputs)


def run_model(data: bytes, inputs: Arrays) -> Arrays:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
