"""The judge of int8 models: it runs them beside the float model on images that gave no ranges."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain

from archspec.arrays import Array
from archspec.errors import InputError
from archspec.finite import is_finite
from compiler.onnx_file.metadata import CLASSES
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.data import CalibrationData
from runtime.int8.output_metrics import AnswerCounts, OutputMetric
from runtime.int8.quantization_loss import ChannelLoss, Judged, OutputLoss, QuantizationLoss
from runtime.int8.ranges import Fold, MeasuredRanges, Ranges
from runtime.int8.running import MAX_BYTES, Outputs, choose_batch, run_model
from runtime.int8.sqnr import ErrorSums

BuildQuantized = Callable[[Ranges], OnnxModel]
"""A function that makes the int8 model with ranges."""

MAX_COMPARED = 32
"""The largest number of images of each fold on which models that differ in one layer, or in ranges, are compared."""


class Judge:
    """A judge that runs models beside the float model, on held-out images where there are labels, and else on each fold
    of those of the calibration, with the ranges of the others. `metrics` are those of the outputs, by name."""

    def __init__(
        self,
        model: OnnxModel,
        data: CalibrationData,
        measured: MeasuredRanges,
        metrics: Mapping[str, OutputMetric | None],
    ) -> None:
        self.data, self.held_out, self.measured, self.metrics = data, data.held_out, measured, metrics
        self.batch = choose_batch(model.graph, data.shape)
        self.run, self.kept = _refuse_infinite(run_model(model), data.name), _Kept()
        self.classes = CLASSES.read(model.metadata, model.graph.name) or ()

    def measure_loss(self, build: BuildQuantized) -> QuantizationLoss:
        """Measure the loss on images that gave no ranges, as far as there are any."""
        if self.held_out is not None:
            return self._measure(self._answer_held_out(build), "held out")
        folds = self.measured.folds
        answers = (answer for fold in folds for answer in self._answer_fold(build, fold))
        if len(folds) == 1:
            return self._measure(answers, "by their own ranges")
        return self._measure(answers, "by ranges of others", [len(fold.data) for fold in folds])

    def measure_own(self, build: BuildQuantized) -> QuantizationLoss:
        """Measure the loss of the model with the ranges of all images, on the images that gave them."""
        return self._measure(self._answer_fold(build, Fold(self.data, self.measured.ranges)), "by their own ranges")

    def _measure(
        self, answers: Iterable[tuple[Outputs, Outputs, Array | None]], judged: Judged, parts: Sequence[int] = ()
    ) -> QuantizationLoss:
        seen = 0
        differences = {name: ErrorSums() for name in self.metrics}
        counts: dict[str, AnswerCounts] = {}
        for before, after, labels in answers:
            seen += len(before[next(iter(before))])
            for name, metric in self.metrics.items():
                differences[name].add(before[name], after[name])
                if metric is not None:
                    counted = metric.count(before[name], after[name], labels)
                    counts[name] = counts[name] + counted if name in counts else counted
        return QuantizationLoss(
            seen,
            judged,
            tuple(
                self._describe(name, metric, differences[name], counts.get(name), parts)
                for name, metric in self.metrics.items()
            ),
        )

    def compare(self, builds: Sequence[BuildQuantized]) -> list[float]:
        """Measure √(Σ (float - other)² / Σ float²) of the output in which it is largest, on a few images of each
        fold."""
        errors = []
        for build in builds:
            parts = (self._answer(build, fold, fold.data.sample(MAX_COMPARED)) for fold in self.measured.folds)
            errors.append(self._sum_error(chain.from_iterable(parts)))
        return errors

    def measure_error(self, build: BuildQuantized) -> float:
        """Measure that error on a few of all images, by the ranges of all."""
        run, data = run_model(build(self.measured.ranges)), self.data.sample(MAX_COMPARED)
        return self._sum_error((before, run(images)) for images, before in self._run_float(data))

    def _sum_error(self, answers: Iterable[tuple[Outputs, Outputs]]) -> float:
        differences = {name: ErrorSums() for name in self.metrics}
        for before, after in answers:
            for name, difference in differences.items():
                difference.add(before[name], after[name])
        return max(difference.ratio for difference in differences.values())

    def _answer_held_out(self, build: BuildQuantized) -> Iterator[tuple[Outputs, Outputs, Array]]:
        """The outputs of the float model and of the other, and the labels, batch by batch."""
        assert self.held_out is not None
        run = run_model(build(self.measured.ranges))
        for start in range(0, len(self.held_out.images), self.batch):
            part = slice(start, start + self.batch)
            images = self.held_out.images[part]
            before = self.kept.compute(("held out", start), self.run, images)
            yield before, run(images), self.held_out.labels[part]

    def _answer_fold(self, build: BuildQuantized, fold: Fold) -> Iterator[tuple[Outputs, Outputs, None]]:
        return ((before, after, None) for before, after in self._answer(build, fold, fold.data))

    def _answer(self, build: BuildQuantized, fold: Fold, data: CalibrationData) -> Iterator[tuple[Outputs, Outputs]]:
        """Compute, for images of a fold, the float model's outputs and the other's, which is not made where all are
        kept."""
        make = cache(lambda: run_model(build(fold.ranges)))
        for number, (images, before) in enumerate(self._run_float(data)):
            yield before, self.kept.compute((build, data.numbers, number), lambda images: make()(images), images)

    def _run_float(self, data: CalibrationData) -> Iterator[tuple[Array, Outputs]]:
        """Yield images, and the float model's outputs for them."""
        for number, images in enumerate(data.batches(self.batch)):
            yield images, self.kept.compute((data.numbers, number), self.run, images)

    def _describe(
        self,
        name: str,
        metric: OutputMetric | None,
        difference: ErrorSums,
        counts: AnswerCounts | None,
        parts: Sequence[int],
    ) -> OutputLoss:
        if metric is None:
            measured, (before, after), lower_is_better = "r2", (1.0, difference.r2), False
        else:
            assert counts is not None
            measured, (before, after), lower_is_better = metric.name, metric.score(counts), metric.lower_is_better
        worst, channels = difference.find_worst(), difference.channels
        return OutputLoss(
            output=name,
            channels=channels,
            metric=measured,
            before=before,
            after=after,
            sqnr_db=difference.ratio_in_db,
            worst=worst and ChannelLoss(worst[0], self._find_class(name, worst[0], channels), worst[1]),
            varies=difference.varies,
            parts_db=difference.rate_parts(parts),
            middle_db=difference.rate_middle(),
            lower_is_better=lower_is_better,
        )

    def _find_class(self, output: str, channel: int, channels: int) -> str | None:
        named = output == list(self.metrics)[-1] and len(self.classes) == channels
        return self.classes[channel] if named else None


def _refuse_infinite(run: Callable[[Array], Outputs], source: str) -> Callable[[Array], Outputs]:
    """Wrap a model, so that it raises InputError where an output is not finite: nothing can be said of what it
    loses."""

    def run_finite(images: Array) -> Outputs:
        found = run(images)
        for name, array in found.items():
            if not is_finite(array):
                raise InputError(
                    f"on the calibration data {source} the output '{name}' of the float model holds infinite numbers "
                    "or NaN"
                )
        return found

    return run_finite


class _Kept:
    """Outputs for batches, by what they are of, as far as there is memory for them."""

    def __init__(self) -> None:
        self.room = MAX_BYTES
        self.outputs: dict[Hashable, Outputs] = {}

    def compute(self, what: Hashable, run: Callable[[Array], Outputs], images: Array) -> Outputs:
        if what in self.outputs:
            return self.outputs[what]
        outputs = run(images)
        size = sum(array.nbytes for array in outputs.values())
        if size <= self.room:
            self.outputs[what], self.room = outputs, self.room - size
        return outputs
