"""What a fake-quantized module computes beside what its int8 file does, value by value, of the file's operands."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archspec.api import to_torch
from compiler.graph import Graph
from compiler.onnx_target.int8.quantize import QuantizationPlan, plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import Int8Recipe, Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.write import to_bytes
from runtime.int8.fake_quantized import INT8, FakeQuantized, prepare_fake_quantized
from runtime.int8.rounding import FakeQuantizer
from runtime.int8.running import run_exposed
from runtime.session.start import AS_IS, start
from tests.support.lowering import stir

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Agreement:
    """How far a module is from a file: in steps of the scale of the value in which that is most, and in which share of
    a value's numbers; of each output the largest difference, as a part of its largest number."""

    values: int
    steps: float
    share: float
    outputs: Mapping[str, float]


@dataclass(frozen=True)
class Twins:
    """A float model, the scheme by which it is quantized, and the module that computes as the file does."""

    model: OnnxModel
    scheme: Scheme
    module: FakeQuantized

    @classmethod
    def make(cls, graph: Graph, recipe: Int8Recipe, images: Images, **options: Any) -> Twins:
        """With weights off their special first values, and the whole ranges of these images."""
        weights = {name: value.numpy() for name, value in stir(to_torch(graph)).state_dict().items()}
        model = build_model(graph, weights, options=INT8)
        found = run_exposed(model, plan_quantization(model, recipe).values)(images)
        ranges = {name: (float(array.min()), float(array.max())) for name, array in found.items()}
        scheme = Scheme(recipe, ranges, **options)
        return cls(model, scheme, prepare_fake_quantized(graph, weights, scheme))

    @property
    def plan(self) -> QuantizationPlan:
        return plan_quantization(self.model, self.scheme.recipe, self.scheme.kept, self.scheme.floats)

    def run_file(self, images: Images, names: list[str], *, as_is: bool) -> dict[str, Tensor]:
        """The values of the int8 file: in the nodes that stand there, or in the kernels that ONNX Runtime chooses."""
        model = quantize_model(self.model, self.scheme)
        head = deepcopy(model.head)
        there, fed = {item.name for item in head.graph.output}, head.graph.input[0].name
        for name in names:
            if name not in there:
                head.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        session = start(to_bytes(replace(model, head=head)), attributes=AS_IS if as_is else None)
        return dict(zip(names, map(torch.from_numpy, session.run(names, {fed: images})), strict=True))

    def compare(self, images: Images, *, as_is: bool = True) -> Agreement:
        """Each rounded value of the module is computed from those of the file that stand before it."""
        outputs = [item.name for item in self.model.head.graph.output]
        names: dict[str, str] = {}
        for name, id in self.model.values.items():
            names.setdefault(id, name)  # the first is as it is computed, and another one turned from it
        rounded = {name: name if name in outputs else f"{name}.rounded" for name in self.plan.values}
        file = self.run_file(images, list(dict.fromkeys([*rounded.values(), *outputs])), as_is=as_is)
        steps: dict[str, tuple[float, float]] = {}

        def force(name: str, part: nn.Module, found: Tensor) -> Tensor:
            """Hold a value against the file's, which takes its place."""
            assert isinstance(part, FakeQuantizer)
            value = names.get(name, name)
            if value not in rounded:
                return found
            other = file[rounded[value]]
            other = other.movedim(-1, 1) if name in self.model.rows else other
            apart = (found - other).abs() / part.scale
            steps[value] = float(apart.max()), float((apart > 0.5).float().mean())
            return other

        network = self.module._network[0]
        hooks = [
            part.register_forward_hook(
                lambda part, _, found, name=name: force(name.removesuffix(".rounded"), part, found)
            )
            for name, part in network.named_modules()
            if isinstance(part, FakeQuantizer) and name.endswith(".rounded")
        ]
        try:
            found = run(self.module, images, outputs)
        finally:
            for hook in hooks:
                hook.remove()
        apart = {
            name: float((found[name] - file[name]).abs().max() / file[name].abs().max().clamp(min=1e-6))
            for name in outputs
        }
        return Agreement(
            len(steps),
            max((most for most, _ in steps.values()), default=0.0),
            max((share for _, share in steps.values()), default=0.0),
            apart,
        )


def run(module: nn.Module, images: Images, outputs: list[str]) -> dict[str, Tensor]:
    with torch.no_grad():
        found = module(torch.from_numpy(images))
    return found if isinstance(found, dict) else {outputs[0]: found}


def draw(graph: Graph, count: int, seed: int = 0) -> Images:
    (node,) = graph.inputs.values()
    return np.random.default_rng(seed).standard_normal((count, *node.shape)).astype(np.float32)
