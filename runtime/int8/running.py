"""Models in memory, run on calibration images by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from archspec.arrays import Array
from archspec.extras import extra
from compiler.graph import Graph
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.session.start import start

with extra("run"):
    import onnx

    from compiler.onnx_target.write import to_bytes

Outputs: TypeAlias = Mapping[str, Array]

MAX_BYTES = 1 << 28
"""The largest total size, in bytes and about, of the values of a batch, and of the outputs that are kept."""

MAX_BATCH = 64
"""The largest number of images in a batch."""


def run_model(model: OnnxModel) -> Callable[[Array], Outputs]:
    """Make a function from images (N, C, *extents) to the outputs of a model of one input, by name."""
    return _start(model, [item.name for item in model.head.graph.output])


def run_exposed(model: OnnxModel, values: Sequence[str]) -> Callable[[Array], Outputs]:
    """Make a function from images (N, C, *extents) to the named values of a model of one input; the input may be
    one."""
    head = deepcopy(model.head)
    fed, there = head.graph.input[0].name, {item.name for item in head.graph.output}
    computed = [name for name in values if name != fed]
    for name in computed:
        if name not in there:
            head.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    compute = _start(replace(model, head=head), computed)

    def run(images: Array) -> Outputs:
        found = compute(images) | {fed: images}
        return {name: found[name] for name in values}

    return run


def _start(model: OnnxModel, values: Sequence[str]) -> Callable[[Array], dict[str, Array]]:
    session, fed = start(to_bytes(model)), model.head.graph.input[0].name

    def run(images: Array) -> dict[str, Array]:
        return dict(zip(values, map(np.asarray, session.run(values, {fed: images})), strict=True)) if values else {}

    return run


def choose_batch(graph: Graph, shape: Sequence[int]) -> int:
    """Choose the number of images (C, *extents) of this shape that run at once, so that all their values fit in
    MAX_BYTES."""
    (node,) = graph.inputs.values()
    growth = np.prod(shape) / node.shape.elements
    per_image = 4 * sum(other.shape.elements for other in graph) * growth
    return int(np.clip(MAX_BYTES // per_image, 1, MAX_BATCH))
