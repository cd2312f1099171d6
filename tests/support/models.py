"""Small ONNX files and torch modules for the tests of the runtime, written with onnx's own helper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from runtime.data.dataset import ArraySamples, Dataset, Samples
from runtime.pictures.preprocess import Preprocess


def build_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Mapping[str, Sequence[int | str | None] | None],
    weights: Mapping[str, np.ndarray[Any, Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    return model


def build_linear(
    weight: np.ndarray,
    bias: np.ndarray,
    shape: Sequence[int | str] = ("N", 1, 8, 8),
    metadata: Mapping[str, str] | None = None,
) -> onnx.ModelProto:
    """flatten, then `weight` (out, in) and `bias` (out): what torch's Linear computes."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"], transB=1),
    ]
    return build_model(
        nodes, {"image": shape}, {"logits": [shape[0], len(bias)]}, {"weight": weight, "bias": bias}, metadata
    )


def build_double(
    shape: Sequence[int | str | None] = ("N", 3, "H", "W"), metadata: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """x + x, at any size."""
    return build_model([helper.make_node("Add", ["x", "x"], ["y"])], {"x": shape}, {"y": shape}, metadata=metadata)


def save(model: onnx.ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def make_linear(seed: int = 0, classes: int = 10) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))


def save_module(module: nn.Sequential, path: Path, metadata: Mapping[str, str] | None = None, **changes: Any) -> Path:
    """The ONNX file of `make_linear`'s module; `changes` replace its weight or bias."""
    arrays: dict[str, Any] = {name: value.detach().numpy() for name, value in module[1].named_parameters()}
    return save(build_linear(**arrays | changes, metadata=metadata), path)


def make_data(train: int = 64, test: int = 32, classes: int = 3, side: int = 4) -> Dataset:
    """Images whose class is the row that is bright: easy to learn, impossible to guess."""
    generator = np.random.default_rng(0)

    def make_samples(count: int) -> ArraySamples:
        labels = np.arange(count, dtype=np.int64) % classes
        values = generator.uniform(0, 0.3, (count, 1, side, side)).astype(np.float32)
        values[np.arange(count), 0, labels] += 0.6
        return ArraySamples(values, labels)

    preprocess = Preprocess(1, (side, side), (0.3,), (0.25,))
    names = tuple(f"row {index}" for index in range(classes))
    return Dataset("rows", make_samples(train), make_samples(test), names, preprocess)


def arrays_of(samples: Samples) -> ArraySamples:
    """Samples that are known to lie in memory."""
    assert isinstance(samples, ArraySamples)
    return samples


def convert_to_half(path: Path) -> None:
    """As converters do: every float becomes a half, inputs and outputs too."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for item in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        item.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    onnx.save(model, path)
