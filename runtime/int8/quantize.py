"""From a float model and calibration data to an int8 model, with the layers in float that must stay so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from archspec.errors import ArchspecError
from compiler.onnx_target.built import OnnxModel
from compiler.onnx_target.options import Target
from compiler.onnx_target.quantize import plan_quantization, quantize_model
from compiler.onnx_target.scheme import RECIPES, Scheme
from runtime.int8.calibrate import OnStep, measure_ranges
from runtime.int8.data import CalibrationData
from runtime.int8.loss import Judge, Loss

KEY = "archspec.int8"
"""The metadata that says how a model was quantized, and what that cost."""


@dataclass(frozen=True, slots=True)
class LayerError:
    """The error √(Σ (float - int8)² / Σ float²) of the last output when only this layer is int8, and whether it stays
    float."""

    layer: str
    error: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a model was quantized and what it lost.

    So many `layers` are int8, those of `kept` float. `images` is how many gave the ranges. `errors` has the most
    sensitive layer first, and is empty where nobody had to ask.
    """

    recipe: str
    method: str
    data: str
    images: int
    layers: int
    kept: tuple[str, ...]
    loss: Loss
    errors: tuple[LayerError, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        row = dataclasses.asdict(self)
        return {**row, "loss": {**row["loss"], "drop": self.loss.drop}}

    def to_metadata(self) -> str:
        """JSON of all but the layers' errors."""
        return json.dumps({key: value for key, value in self.to_dict().items() if key != "errors"}, sort_keys=True)


@dataclass(frozen=True, eq=False, slots=True)
class Quantized:
    """An int8 model, whose metadata has the report, and the report."""

    model: OnnxModel
    report: Quantization


def quantize(
    model: OnnxModel,
    data: CalibrationData,
    *,
    method: str = "percentile",
    target: Target = "any",
    max_drop: float | None = None,
    reduce_range: bool = False,
    on_step: OnStep = lambda done, of: None,
) -> Quantized:
    """The int8 model of a float one, with the ranges that `data` shows.

    With `max_drop` (0.005: half a percentage point of the metric), and where the whole network in int8 loses more, the
    layers are ranked by the error that each causes alone, and the fewest of the worst stay float. Calls `on_step` with
    how far the measurement at work has come. Raises ArchspecError where the model has no layer to quantize, or the data
    is not what the model takes.
    """
    if max_drop is not None and not 0 <= max_drop <= 1:
        raise ArchspecError(f"the drop of a metric lies between 0 and 1, found {max_drop:g}")
    recipe = RECIPES[target]
    plan = plan_quantization(model, recipe)
    if not plan.layers:
        raise ArchspecError(f"{model.graph.name} has no convolution and no linear layer to quantize")
    ranges = measure_ranges(model, plan.values, data, method, on_step)
    scheme, judge = Scheme(recipe, ranges, reduce_range=reduce_range), Judge(model, data)
    loss, errors = judge.measure_loss(quantize_model(model, scheme)), list[LayerError]()
    if max_drop is not None and loss.drop > max_drop:
        errors = _rank_layers(model, scheme, judge, plan.layers, on_step)
        scheme, loss = _keep_fewest(model, scheme, judge, [item.layer for item in errors], max_drop)
    report = Quantization(
        recipe=recipe,
        method=method,
        data=data.name,
        images=len(data),
        layers=len(plan.layers) - len(scheme.kept),
        kept=tuple(name for name in plan.layers if name in scheme.kept),
        loss=loss,
        errors=tuple(replace(item, kept=item.layer in scheme.kept) for item in errors),
    )
    return Quantized(quantize_model(model, scheme, {KEY: report.to_metadata()}), report)


def _rank_layers(
    model: OnnxModel, scheme: Scheme, judge: Judge, layers: Sequence[str], on_step: OnStep
) -> list[LayerError]:
    """Each layer's error when the others are float, the largest first."""
    errors = []
    for done, layer in enumerate(layers, start=1):
        alone = replace(scheme, kept=frozenset(layers) - {layer})
        errors.append(LayerError(layer, judge.measure_error(quantize_model(model, alone)), kept=False))
        on_step(done, len(layers))
    return sorted(errors, key=lambda item: -item.error)


def _keep_fewest(
    model: OnnxModel, scheme: Scheme, judge: Judge, ranking: Sequence[str], max_drop: float
) -> tuple[Scheme, Loss]:
    """Bisect for the shortest start of the ranking that, in float, keeps the drop within the budget. The whole of it
    does: that is the float model."""

    def keep(count: int) -> tuple[Scheme, Loss]:
        kept = replace(scheme, kept=frozenset(ranking[:count]))
        return kept, judge.measure_loss(quantize_model(model, kept))

    too_few, enough, best = 0, len(ranking), None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        tried = keep(middle)
        if tried[1].drop > max_drop:
            too_few = middle
        else:
            enough, best = middle, tried
    return best or keep(enough)
