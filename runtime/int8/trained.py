"""The scales by which weights were trained in integers: they go with the weights, and an export takes them over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import ArchspecError, InputError, ModelError, raising
from archspec.strict_json import check_integer, check_keys, check_number
from archspec.wording import cut_middle, list_some
from compiler.onnx_file.metadata import TRAINED_INT8
from compiler.onnx_target.int8.quantize import QuantizationPlan, plan_quantization
from compiler.onnx_target.int8.scheme import RECIPES, Scheme, ValueRange
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import Target
from runtime.int8.data import CalibrationData
from runtime.int8.judge import Judge
from runtime.int8.output_metrics import choose_metrics
from runtime.int8.quantization_loss import QuantizationLoss
from runtime.int8.quantize import Calibrated, Draft, Quantization, Quantized
from runtime.int8.ranges import Fold, MeasuredRanges, Ranges
from runtime.int8.report_notes import describe_floats, describe_loss

METHOD = "training"
"""The word of reports for ranges that weights were trained with."""

FIELDS = ("recipe", "ranges", "kept", "floats", "reduce_range", "plan", "data", "images", "different")

MAX_END = 1e37
"""The largest magnitude of a range's end: differences of two are numbers in float32."""


@dataclass(frozen=True, eq=False, slots=True)
class TrainedScheme:
    """The scheme by which a network was trained in integers, with the ranges of all that is rounded.

    `plan` is the hash of what is rounded: trained weights are exported by this scheme alone where the exporter rounds
    the same. The ranges are those of so many `images` of `data`, of which `different` are no near copies.
    """

    scheme: Scheme
    plan: str
    data: str
    images: int
    different: int

    @classmethod
    def take(cls, model: OnnxModel, calibrated: Calibrated, data: CalibrationData) -> TrainedScheme:
        """Take the scheme that a calibration found for a float model."""
        scheme = calibrated.scheme
        plan = plan_quantization(model, scheme.recipe, scheme.kept, scheme.floats)
        ranges = {value: scheme.ranges[value] for value in sorted(plan.scaled)}
        found = replace(scheme, ranges=ranges)
        return cls(found, plan.digest(), data.name, len(data), calibrated.measured.different)

    def to_metadata(self) -> dict[str, str]:
        """Make what the metadata of the weights say of it."""
        scheme = self.scheme
        return TRAINED_INT8.write(
            {
                "recipe": scheme.recipe,
                "ranges": {name: list(ends) for name, ends in scheme.ranges.items()},
                "kept": sorted(scheme.kept),
                "floats": sorted(scheme.floats),
                "reduce_range": scheme.reduce_range,
                "plan": self.plan,
                "data": self.data,
                "images": self.images,
                "different": self.different,
            }
        )

    @classmethod
    def read(cls, metadata: Mapping[str, str], where: str | Path = "") -> TrainedScheme | None:
        """Read it from the metadata of weights; None where they say nothing of it. Raises ModelError where they are
        malformed."""
        found = TRAINED_INT8.read(metadata, where)
        if found is None:
            return None
        with raising(ModelError):
            return _parse(found, f"the metadata '{TRAINED_INT8}'{f' of {where}' if where else ''}")

    def plan_for(self, model: OnnxModel, target: Target) -> QuantizationPlan:
        """Plan the integers of a float model of these weights. Raises InputError for a runtime that has the other
        recipe, and where the exporter rounds other values than were rounded in training."""
        scheme = self.scheme
        if RECIPES[target] != scheme.recipe:
            fitting = [f"--for {name}" for name, recipe in RECIPES.items() if recipe == scheme.recipe]
            raise InputError(
                f"these weights were trained in integers by the recipe {scheme.recipe}, and an export for {target} "
                f"has {RECIPES[target]}: take {' or '.join(fitting)}, or --calibration mse --data SOURCE, which "
                "measures ranges anew"
            )
        plan = plan_quantization(model, scheme.recipe, scheme.kept, scheme.floats)
        missing = sorted(plan.scaled - scheme.ranges.keys())
        if missing or plan.digest() != self.plan:
            what = f"it rounds {list_some(missing)}" if missing else "it rounds other values or layers"
            raise InputError(
                f"this export of {model.graph.name} is not what its weights were trained for in integers: {what}. "
                "--calibration mse --data SOURCE measures ranges anew"
            )
        return plan


def quantize_trained(
    model: OnnxModel,
    trained: TrainedScheme,
    data: CalibrationData | None = None,
    *,
    target: Target = "any",
    on_step: OnStep = ignore_step,
) -> Quantized:
    """Make the int8 model of a float one by the very scales that it was trained with; no range is measured. What it
    loses is measured on `data`, where there is any: on its held-out images, or on all of it.

    Raises InputError where the scheme is not one for this model and runtime, or the data is not what it takes.
    """
    scheme = trained.scheme
    plan = trained.plan_for(model, target)
    ranges = Ranges(scheme.ranges, scheme.ranges)
    draft = Draft(model, scheme, cut=True)
    loss = QuantizationLoss(0, "by ranges of training", ())
    if data is not None:
        measured = MeasuredRanges(ranges, (Fold(data, ranges),), trained.different, {}, ())
        loss = Judge(model, data, measured, choose_metrics(model, data)).measure_loss(draft.build)
        loss = loss if data.held_out else replace(loss, judged="by ranges of training")
        on_step(len(data), len(data))
    int8 = set(plan.layers)
    reasons = dict.fromkeys(sorted(scheme.floats), "had no scale in training")
    report = Quantization(
        recipe=scheme.recipe,
        method=METHOD,
        cut=True,
        data=trained.data,
        images=trained.images,
        different=trained.different,
        layers=len(int8),
        kept=tuple(name for name in plan_quantization(model, scheme.recipe).layers if name not in int8),
        loss=loss,
        notes=(*describe_floats(reasons), *describe_loss(loss)),
    )
    return Quantized(draft.build(ranges, report.to_metadata()), report)


def _parse(found: Mapping[str, Any], what: str) -> TrainedScheme:
    check_keys(found, what, FIELDS)
    recipe = found["recipe"]
    if recipe not in RECIPES.values():
        raise ArchspecError(f"{what}: the recipe is u8s8 or s8s8, not {cut_middle(repr(recipe), 80)}")
    if not isinstance(found["ranges"], dict):
        raise ArchspecError(f"{what}: ranges must be a JSON object")
    kept, floats = (_check_names(found[key], f"{what}: {key}") for key in ("kept", "floats"))
    if not isinstance(found["reduce_range"], bool) or not all(isinstance(found[key], str) for key in ("plan", "data")):
        raise ArchspecError(f"{what}: reduce_range is true or false, and plan and data are texts")
    scheme = Scheme(
        recipe,
        {
            name: _parse_range(ends, f"{what}: the range of {cut_middle(name, 80)}")
            for name, ends in found["ranges"].items()
        },
        kept,
        floats,
        found["reduce_range"],
    )
    images, different = (check_integer(found[key], f"{what}: {key}") for key in ("images", "different"))
    return TrainedScheme(scheme, found["plan"], found["data"], images, different)


def _check_names(found: Any, what: str) -> frozenset[str]:
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ArchspecError(f"{what} must be a list of names")
    return frozenset(found)


def _parse_range(ends: Any, what: str) -> ValueRange:
    if not isinstance(ends, list) or len(ends) != 2:
        raise ArchspecError(f"{what} must be its lowest and its highest number")
    low, high = (check_number(end, what) for end in ends)
    if not -MAX_END <= low <= high <= MAX_END:
        raise ArchspecError(f"{what} must rise, within ±{MAX_END:g}: found {low:g} to {high:g}")
    return low, high
