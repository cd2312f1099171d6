"""A network that computes in torch what its int8 file computes, and can be trained so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from archspec.errors import InputError
from archspec.extras import extra
from archspec.ops import Op
from archspec.wording import list_some
from compiler.graph import Graph
from compiler.onnx_target.int8.placement import FakeQuantize, RoundedGraph, place_rounding
from compiler.onnx_target.int8.quantize import plan_quantization
from compiler.onnx_target.int8.scheme import Scheme
from compiler.onnx_target.model import build_model
from compiler.onnx_target.options import ExportOptions
from compiler.onnx_target.pipeline import choose_passes
from compiler.passes.base import run_passes
from compiler.passes.recorded import record
from runtime.weights.in_memory import take_weights

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch.func import functional_call

    from compiler.torch_target.module import assign_weights, lower, to_torch
    from compiler.torch_target.replay import Replay
    from runtime.int8.rounding import FakeQuantizer, round_layer

INT8 = ExportOptions(precision="int8")


def prepare_fake_quantized(
    graph: Graph,
    weights: Mapping[str, Any],
    scheme: Scheme,
    *,
    rules: Mapping[type[Op], Any] | None = None,
    torch_rules: Mapping[type[Op], Any] | None = None,
) -> FakeQuantized:
    """Build the module that computes what the int8 file of these weights by this scheme computes.

    `rules` and `torch_rules` lower operations that are the caller's own. Raises ArchspecError where the weights do not
    fit, the scheme has no range for a value that is rounded, or nothing says how to compute an operation that is
    rounded inside.
    """
    arrays = {name: array.astype(np.float32, copy=False) for name, array in take_weights(weights).items()}
    model = build_model(graph, arrays, rules=rules, options=INT8)
    network, recorded, _ = run_passes(choose_passes(INT8), graph, record(arrays))
    assert network.digest() == model.graph.digest()
    plan = plan_quantization(model, scheme.recipe, scheme.kept, scheme.floats)
    if missing := sorted(plan.scaled - scheme.ranges.keys()):
        raise InputError(
            f"the scheme has no range for {list_some(missing)}, which {graph.name} rounds in {scheme.recipe}"
        )
    rounded = place_rounding(model, recorded, plan, scheme.recipe)
    return FakeQuantized(graph, arrays, rounded, scheme, torch_rules)


class FakeQuantized(nn.Module):
    """A network whose values and weights are rounded wherever its int8 file rounds them.

    It takes and gives what `to_torch` of the graph does, and its state dict has the same names. The weights are those
    of the spec, and all that are trainable there can be trained: what an export makes of them, as it folds
    normalizations into kernels, is computed from them at each step, and then rounded. In training it computes as in
    evaluation, and as the file does: by running statistics, which do not move, without chance, and in float32.
    """

    _scales: Tensor

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Any],
        rounded: RoundedGraph,
        scheme: Scheme,
        rules: Mapping[type[Op], Any] | None = None,
    ) -> None:
        super().__init__()
        holder = to_torch(graph, rules=rules)
        assign_weights(holder, graph, weights)
        for name, part in holder.named_children():
            self.add_module(name, part)
        rules = {**(rules or {}), FakeQuantize: lambda op, x: FakeQuantizer(op.value, scheme.quant_params(op.value))}
        network = lower(rounded.graph, rules=rules).eval()
        self._network = (network,)  # in a tuple, since it has no weights of its own
        self._graph_digest = rounded.graph.digest()
        self._replay, self._layers, self._limit = Replay(rounded.arrays), rounded.layers, scheme.weight_limit
        parts = {name: part for name, part in network.named_modules() if isinstance(part, FakeQuantizer)}
        values = sorted({*(part.value for part in parts.values()), *(layer.operand for layer in rounded.layers)})
        self._places = {value: place for place, value in enumerate(values)}
        self._quantizers = {f"{name}.scale": self._places[part.value] for name, part in parts.items()}
        scales = torch.tensor([float(scheme.quant_params(value).scale) for value in values])
        self.register_buffer("_scales", scales, persistent=False)

    def forward(self, *inputs: Tensor) -> Any:
        """Compute the outputs as `to_torch` gives them, for inputs (N, C, *S)."""
        with torch.autocast(self._scales.device.type, enabled=False):
            return functional_call(self._network[0], self._compute_weights(), inputs)

    @property
    def called_module(self) -> nn.Module:
        """The module of the rounded graph, which computes with the tensors that it is given for a call."""
        return self._network[0]

    @property
    def learning(self) -> frozenset[str]:
        """The names of the weights that the outputs depend on."""
        return frozenset(self._replay.given)

    def digest(self) -> str:
        """Compute the SHA-256 of what is computed, but for the numbers of the weights that learn and of the scales:
        equal ones give equal outputs and gradients for equal weights and scales."""
        rows = [self._graph_digest, self._replay.digest(), [dataclasses.astuple(layer) for layer in self._layers]]
        return hashlib.sha256(json.dumps([*rows, self._limit]).encode()).hexdigest()

    def _compute_weights(self) -> dict[str, Tensor]:
        """Compute the tensors of the network that the file has, rounded where it rounds them, by its names."""
        own = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        tensors = self._replay(own)
        for layer in self._layers:
            weight, bias = f"{layer.id}.weight", f"{layer.id}.bias"
            scale = self._scales[self._places[layer.operand]]
            tensors[weight], terms = round_layer(
                tensors[weight], tensors[bias] if layer.bias else None, scale, self._limit
            )
            if terms is not None:
                tensors[bias] = terms
        return tensors | {name: self._scales[place] for name, place in self._quantizers.items()}
