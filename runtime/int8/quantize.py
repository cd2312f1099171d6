"""From a float model and calibration data to an int8 model, with the layers in float that must stay so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from compiler.onnx_file.metadata import INT8
from compiler.onnx_target.int8.quantize import plan_quantization, quantize_model
from compiler.onnx_target.int8.scheme import RECIPES, Scheme
from compiler.onnx_target.onnx_model import OnnxModel
from compiler.onnx_target.options import Target
from runtime.int8.calibrate import measure_ranges
from runtime.int8.data import CalibrationData
from runtime.int8.judge import Judge
from runtime.int8.output_metrics import choose_metrics
from runtime.int8.quantization_loss import MIN_DB, QuantizationLoss
from runtime.int8.ranges import MeasuredRanges, Ranges
from runtime.int8.report_notes import describe_floats, describe_gaps, describe_images, describe_loss


@dataclass(frozen=True, slots=True)
class LayerError:
    """The error √(Σ (float - int8)² / Σ float²) when only this layer is int8, of the output in which it is largest, and
    whether it stays float."""

    layer: str
    error: float
    kept: bool


@dataclass(frozen=True, slots=True)
class Quantization:
    """The report of how a model was quantized and what it lost.

    `cut` says whether the ranges are cut as the method has it: where that loses more than whole ranges, they are whole.
    The method `training` takes those that the weights were trained with; then `loss` is of no images unless some were
    given.
    So many `layers` are int8, those of `kept` float. `images` is how many gave the ranges; `different` of them are no
    near copies. `own` is what all layers in int8 lose on these images by their own ranges, where they lose too much by
    the ranges of others. `errors` has the most sensitive layer first, and is empty where nobody had to ask. `notes` are
    sentences on what is odd about the data, what stays float for want of a scale, and what is poor in the answers.
    """

    recipe: str
    method: str
    cut: bool
    data: str
    images: int
    different: int
    layers: int
    kept: tuple[str, ...]
    loss: QuantizationLoss
    own: QuantizationLoss | None = None
    errors: tuple[LayerError, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "loss": self.loss.to_dict(), "own": self.own and self.own.to_dict()}

    def to_metadata(self) -> dict[str, str]:
        """Make what the model's metadata say of it: all but the layers' errors."""
        return INT8.write({key: value for key, value in self.to_dict().items() if key != "errors"})


@dataclass(frozen=True, eq=False, slots=True)
class Draft:
    """The way in which a float model is quantized, but for the ranges, of which `cut` says whether they are those of
    the method or the whole ones."""

    model: OnnxModel
    scheme: Scheme
    cut: bool

    def build(self, ranges: Ranges, metadata: Mapping[str, str] | None = None) -> OnnxModel:
        chosen = ranges.cut if self.cut else ranges.whole
        return quantize_model(self.model, replace(self.scheme, ranges=chosen), metadata)

    def keep(self, layers: Iterable[str]) -> Draft:
        """Make the same draft with layers that stay float."""
        return replace(self, scheme=replace(self.scheme, kept=frozenset(layers)))


@dataclass(frozen=True, eq=False, slots=True)
class Quantized:
    """An int8 model, whose metadata has the report, and the report."""

    model: OnnxModel
    report: Quantization


def quantize(
    model: OnnxModel,
    data: CalibrationData,
    *,
    method: str = "mse",
    target: Target = "any",
    max_drop: float | None = None,
    reduce_range: bool = False,
    on_step: OnStep = ignore_step,
) -> Quantized:
    """Make the int8 model of a float one, with the ranges that `data` shows.

    With `max_drop` (0.005: half a percentage point of a metric), and where the whole network in int8 loses more in some
    output or a channel has less than 10 dB of signal to noise, the layers are ranked by the error that each causes
    alone, and the fewest of the worst stay float. Calls `on_step` with how far the measurement at work has come. Raises
    InputError where the model has no layer to quantize, the data is not what the model takes, or, without
    `max_drop`, an output would be nothing like the float model's.
    """
    if max_drop is not None and not 0 <= max_drop <= 1:
        raise InputError(f"the drop of a metric lies between 0 and 1, found {max_drop:g}")
    recipe = RECIPES[target]
    calibrated = calibrate(model, data, method=method, target=target, reduce_range=reduce_range, on_step=on_step)
    measured, floats = calibrated.measured, calibrated.measured.find_floats()
    wanted = plan_quantization(model, recipe, floats=frozenset(floats)).layers
    found = _search(calibrated.draft, calibrated.judge, wanted, max_drop, on_step)
    kept = found.draft.scheme.kept
    int8 = set(wanted) - kept
    report = Quantization(
        recipe=recipe,
        method=method,
        cut=found.draft.cut,
        data=data.name,
        images=len(data),
        different=measured.different,
        layers=len(int8),
        kept=tuple(name for name in plan_quantization(model, recipe).layers if name not in int8),
        loss=found.loss,
        own=found.own,
        errors=tuple(replace(item, kept=item.layer in kept) for item in found.errors),
        notes=tuple(_describe(data, measured, floats, found)),
    )
    return Quantized(found.draft.build(measured.ranges, report.to_metadata()), report)


@dataclass(frozen=True, eq=False, slots=True)
class Calibrated:
    """A float model with the ranges that images show of it: a draft with all layers in int8, what was measured, and the
    judge who chose how the ranges are cut."""

    draft: Draft
    measured: MeasuredRanges
    judge: Judge

    @property
    def scheme(self) -> Scheme:
        """The scheme of the draft, with the ranges of all images."""
        ranges = self.measured.ranges
        return replace(self.draft.scheme, ranges=ranges.cut if self.draft.cut else ranges.whole)


def calibrate(
    model: OnnxModel,
    data: CalibrationData,
    *,
    method: str = "mse",
    target: Target = "any",
    reduce_range: bool = False,
    on_step: OnStep = ignore_step,
) -> Calibrated:
    """Measure the ranges of a float model's values on images, and choose whether those that `method` cuts are taken, or
    the whole ones. Raises InputError where the model has no layer to quantize, or the data is not what it takes."""
    recipe = RECIPES[target]
    plan = plan_quantization(model, recipe)
    if not plan.layers:
        raise InputError(f"{model.graph.name} has no convolution and no linear layer to quantize")
    metrics = choose_metrics(model, data)
    measured = measure_ranges(model, plan.values, data, method, recipe, on_step)
    judge = Judge(model, data, measured, metrics)
    scheme = Scheme(recipe, {}, floats=frozenset(measured.find_floats()), reduce_range=reduce_range)
    return Calibrated(_choose_ranges(model, scheme, judge, method), measured, judge)


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """The draft with the fewest layers in float, and its loss. `own` is what all layers in int8 lose by their own
    ranges, where that was measured, and `gaps` say how much less that is; `errors` are each layer's, where they were
    ranked."""

    draft: Draft
    loss: QuantizationLoss
    own: QuantizationLoss | None
    gaps: Sequence[str]
    errors: Sequence[LayerError] = ()


def _search(draft: Draft, judge: Judge, layers: Sequence[str], max_drop: float | None, on_step: OnStep) -> _Found:
    """Choose all layers in int8 where that loses no more than `max_drop`, else the fewest of the worst in float. Raises
    InputError where, without a bound, an output is lost."""
    loss = judge.measure_loss(draft.build)
    missed = not loss.meets(1.0 if max_drop is None else max_drop)
    uncertain = any(output.is_uncertain for output in loss.outputs)
    own = judge.measure_own(draft.build) if uncertain and missed else None
    gaps = () if own is None else tuple(describe_gaps(loss, own))
    if max_drop is None or not missed:
        _refuse_lost(draft.model, loss, own)
        return _Found(draft, loss, own, gaps)
    errors = _rank_layers(draft, judge, layers, on_step)
    fewest, less = _keep_fewest(draft, judge, [item.layer for item in errors], max_drop)
    return _Found(fewest, less, own, gaps, errors)


def _describe(
    data: CalibrationData, measured: MeasuredRanges, floats: Mapping[str, str], found: _Found
) -> Iterator[str]:
    """The notes of the report."""
    yield from measured.notes
    yield from describe_images(len(data), measured.different, found.loss.judged)
    yield from describe_floats(floats)
    yield from found.gaps
    yield from describe_loss(found.loss)


def _choose_ranges(model: OnnxModel, scheme: Scheme, judge: Judge, method: str) -> Draft:
    """Choose the ranges of the method or with the whole ones, whichever lose less."""
    cut, whole = Draft(model, scheme, cut=True), Draft(model, scheme, cut=False)
    if method == "minmax":
        return whole
    cut_error, whole_error = judge.compare([cut.build, whole.build])
    return cut if cut_error <= whole_error else whole


def _refuse_lost(model: OnnxModel, loss: QuantizationLoss, own: QuantizationLoss | None) -> None:
    """Raises InputError where an output is lost, also by the ranges of all images, if that was measured: then in all
    or on half of the images."""
    for output, same in zip(loss.outputs, (own or loss).outputs, strict=True):
        if output.is_lost and (same.is_lost or same.is_lost_on_half):
            raise InputError(
                f"in int8 {model.graph.name} answers nothing like the float model: its output '{output.output}' has "
                f"{output.sqnr_db:.1f} dB of signal to noise on {loss.images} images, less than {MIN_DB:g}; "
                "--max-drop 1% keeps layers in float until it has, or calibrate on other images"
            )


def _rank_layers(draft: Draft, judge: Judge, layers: Sequence[str], on_step: OnStep) -> list[LayerError]:
    """Measure each layer's error when the others are float, the largest first."""
    errors = []
    for done, layer in enumerate(layers, start=1):
        alone = draft.keep(frozenset(layers) - {layer})
        errors.append(LayerError(layer, judge.measure_error(alone.build), kept=False))
        on_step(done, len(layers))
    return sorted(errors, key=lambda item: -item.error)


def _keep_fewest(draft: Draft, judge: Judge, ranking: Sequence[str], max_drop: float) -> tuple[Draft, QuantizationLoss]:
    """Bisect for the shortest start of the ranking that, in float, keeps the drop within the budget. The whole of it
    does: that is the float model."""

    def keep(count: int) -> tuple[Draft, QuantizationLoss]:
        kept = draft.keep(ranking[:count])
        return kept, judge.measure_loss(kept.build)

    too_few, enough, best = 0, len(ranking), None
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        tried = keep(middle)
        if not tried[1].meets(max_drop):
            too_few = middle
        else:
            enough, best = middle, tried
    return best or keep(enough)
