"""What an int8 model loses against the float model it was made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from math import inf
from typing import Any, Literal

import numpy as np

from archspec.arrays import Array
from compiler.onnx_file.metadata import CLASSES
from compiler.onnx_target.onnx_model import OnnxModel
from runtime.int8.calibrate import BUDGET, Fold, Measured, Ranges, choose_batch, create_cpu_session
from runtime.int8.data import CalibrationData
from runtime.int8.difference import Difference
from runtime.int8.metrics import Counts, Metric

Outputs = Mapping[str, Array]
Judged = Literal["held out", "by ranges of others", "by their own ranges"]
"""Which images a loss is of: those that have labels and gave no ranges; those of the calibration, each fold of them by
the ranges of the other folds; or all of them by the ranges of all, where they are few."""

Build = Callable[[Ranges], OnnxModel]
"""Makes the int8 model with ranges."""

COMPARED = 32
"""Images, of each fold, on which models that differ in one layer, or in their ranges, are compared."""

POOR_DB = 10.0
"""A channel with less signal to noise is told of: a tenth of its variance is noise."""

GAP_DB = 6.0
"""One bit. By so much folds differ, or what images lose by the ranges of others and by their own, where the others did
not show what they are like."""

LEAST_DB = 3.0
"""An output with less signal to noise answers nothing like the float model's: half of it is noise."""


@dataclass(frozen=True, slots=True)
class ChannelLoss:
    """A channel of an output: its number, the name of its class where that is known, and its signal-to-noise ratio in
    dB, 10 log10(Σ (float - mean)² / Σ (float - int8)²), with the float model's mean over images and positions; of a
    channel that never varies, without the mean."""

    channel: int
    name: str | None
    sqnr_db: float


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """What int8 loses in one output: a metric before and after, and the signal-to-noise ratio in dB over all channels,
    10 log10(Σ float² / Σ (float - int8)²), None where both are equal.

    The metric is the task's own on images with labels. Without labels it is `agreement`, how far the answers
    are the float model's; where a channel stands alone there is no answer to agree on, and it is `r2`, 1 - Σ (float -
    int8)² / Σ (float - mean)². `worst` is the channel with the least signal to noise, None where no channel differs.
    `varies` says whether the float model's numbers are not all the same in every channel. `parts_db` are the
    signal-to-noise ratios of the folds, `middle_db` is that of the image in the middle.
    """

    output: str
    channels: int
    metric: str
    before: float
    after: float
    sqnr_db: float | None
    worst: ChannelLoss | None
    varies: bool
    parts_db: tuple[float | None, ...]
    middle_db: float | None

    @property
    def drop(self) -> float:
        return self.before - self.after

    @property
    def relative_error(self) -> float:
        """√(Σ (float - int8)² / Σ float²), over all channels."""
        return 0.0 if self.sqnr_db is None else float(10 ** (-self.sqnr_db / 20))

    @property
    def total_db(self) -> float:
        return inf if self.sqnr_db is None else self.sqnr_db

    @property
    def least_db(self) -> float:
        """Of the worst channel, where one differs."""
        return self.total_db if self.worst is None else self.worst.sqnr_db

    @property
    def is_uncertain(self) -> bool:
        """Whether it may hang on images that the ranges of others did not foresee: little is left, or folds differ."""
        parts = [found for found in self.parts_db if found is not None]
        return bool(parts) and (self.total_db < POOR_DB or max(parts) - min(parts) > GAP_DB)

    @property
    def is_poor(self) -> bool:
        return self.worst is not None and self.worst.sqnr_db < POOR_DB

    @property
    def is_lost(self) -> bool:
        return self.sqnr_db is not None and self.sqnr_db < LEAST_DB

    @property
    def is_lost_on_half(self) -> bool:
        return self.middle_db is not None and self.middle_db < LEAST_DB

    def to_dict(self) -> dict[str, Any]:
        return {**dataclasses.asdict(self), "drop": self.drop, "relative_error": self.relative_error}


@dataclass(frozen=True, slots=True)
class Loss:
    """What int8 loses on so many `images`, in each output."""

    images: int
    judged: Judged
    outputs: tuple[OutputLoss, ...]

    @property
    def last(self) -> OutputLoss:
        """The output that answers the model's task."""
        return self.outputs[-1]

    @property
    def drop(self) -> float:
        """The largest of the outputs' drops."""
        return max(output.drop for output in self.outputs)

    def meets(self, max_drop: float) -> bool:
        """Whether no output's metric drops by more, and none is poor."""
        return self.drop <= max_drop and not any(output.is_poor or output.is_lost for output in self.outputs)

    def to_dict(self) -> dict[str, Any]:
        outputs = [output.to_dict() for output in self.outputs]
        return {"images": self.images, "judged": self.judged, "drop": self.drop, "outputs": outputs}


class Judge:
    """Runs models beside the float model, on held-out images where there are labels, and else on each fold of those of
    the calibration, with the ranges of the others. `metrics` are those of the outputs, by name."""

    def __init__(
        self, model: OnnxModel, data: CalibrationData, measured: Measured, metrics: Mapping[str, Metric | None]
    ) -> None:
        self.data, self.held_out, self.measured, self.metrics = data, data.held_out, measured, metrics
        self.batch = choose_batch(model.graph, data.shape)
        self.run, self.kept = _open(model), _Kept()
        self.classes = CLASSES.read(model.metadata, model.graph.name) or ()

    def measure_loss(self, build: Build) -> Loss:
        """On images that gave no ranges, as far as there are any."""
        if self.held_out is not None:
            return self._measure(self._answer_held_out(build), "held out")
        folds = self.measured.folds
        answers = (answer for fold in folds for answer in self._answer_fold(build, fold))
        if len(folds) == 1:
            return self._measure(answers, "by their own ranges")
        return self._measure(answers, "by ranges of others", [len(fold.data) for fold in folds])

    def measure_own(self, build: Build) -> Loss:
        """On the images that gave the ranges, of the model with the ranges of all."""
        return self._measure(self._answer_fold(build, Fold(self.data, self.measured.ranges)), "by their own ranges")

    def _measure(
        self, answers: Iterable[tuple[Outputs, Outputs, Array | None]], judged: Judged, parts: Sequence[int] = ()
    ) -> Loss:
        seen = 0
        differences = {name: Difference() for name in self.metrics}
        counts: dict[str, Counts] = {}
        for before, after, labels in answers:
            seen += len(before[next(iter(before))])
            for name, metric in self.metrics.items():
                differences[name].add(before[name], after[name])
                if metric is not None:
                    counted = metric.count(before[name], after[name], labels)
                    counts[name] = counts[name] + counted if name in counts else counted
        return Loss(
            seen,
            judged,
            tuple(
                self._describe(name, metric, differences[name], counts.get(name), parts)
                for name, metric in self.metrics.items()
            ),
        )

    def compare(self, builds: Sequence[Build]) -> list[float]:
        """√(Σ (float - other)² / Σ float²) of the output in which it is largest, on a few images of each fold."""
        errors = []
        for build in builds:
            parts = (self._answer(build, fold, fold.data.sample(COMPARED)) for fold in self.measured.folds)
            errors.append(self._sum_error(chain.from_iterable(parts)))
        return errors

    def measure_error(self, build: Build) -> float:
        """The same on a few of all images, by the ranges of all."""
        run, data = _open(build(self.measured.ranges)), self.data.sample(COMPARED)
        return self._sum_error((before, run(images)) for images, before in self._run_float(data))

    def _sum_error(self, answers: Iterable[tuple[Outputs, Outputs]]) -> float:
        differences = {name: Difference() for name in self.metrics}
        for before, after in answers:
            for name, difference in differences.items():
                difference.add(before[name], after[name])
        return max(difference.ratio for difference in differences.values())

    def _answer_held_out(self, build: Build) -> Iterator[tuple[Outputs, Outputs, Array]]:
        """The outputs of the float model and of the other, and the labels, batch by batch."""
        assert self.held_out is not None
        run = _open(build(self.measured.ranges))
        for start in range(0, len(self.held_out.images), self.batch):
            part = slice(start, start + self.batch)
            images = self.held_out.images[part]
            before = self.kept.compute(("held out", start), self.run, images)
            yield before, run(images), self.held_out.labels[part]

    def _answer_fold(self, build: Build, fold: Fold) -> Iterator[tuple[Outputs, Outputs, None]]:
        return ((before, after, None) for before, after in self._answer(build, fold, fold.data))

    def _answer(self, build: Build, fold: Fold, data: CalibrationData) -> Iterator[tuple[Outputs, Outputs]]:
        """For images of a fold, the float model's outputs and the other's, which is not made where all are kept."""
        make = cache(lambda: _open(build(fold.ranges)))
        for number, (images, before) in enumerate(self._run_float(data)):
            yield before, self.kept.compute((build, data.numbers, number), lambda images: make()(images), images)

    def _run_float(self, data: CalibrationData) -> Iterator[tuple[Array, Outputs]]:
        """Images, and the float model's outputs for them."""
        for number, images in enumerate(data.batches(self.batch)):
            yield images, self.kept.compute((data.numbers, number), self.run, images)

    def _describe(
        self, name: str, metric: Metric | None, difference: Difference, counts: Counts | None, parts: Sequence[int]
    ) -> OutputLoss:
        if metric is None:
            measured, (before, after) = "r2", (1.0, difference.r2)
        else:
            assert counts is not None
            measured, (before, after) = metric.name, metric.score(counts)
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
        )

    def _find_class(self, output: str, channel: int, channels: int) -> str | None:
        named = output == list(self.metrics)[-1] and len(self.classes) == channels
        return self.classes[channel] if named else None


class _Kept:
    """Outputs for batches, by what they are of, as far as there is memory for them."""

    def __init__(self) -> None:
        self.room = BUDGET
        self.outputs: dict[Hashable, Outputs] = {}

    def compute(self, what: Hashable, run: Callable[[Array], Outputs], images: Array) -> Outputs:
        if what in self.outputs:
            return self.outputs[what]
        outputs = run(images)
        size = sum(array.nbytes for array in outputs.values())
        if size <= self.room:
            self.outputs[what], self.room = outputs, self.room - size
        return outputs


def _open(model: OnnxModel) -> Callable[[Array], Outputs]:
    """A function from images to a model's outputs by name."""
    session = create_cpu_session(model)
    fed, given = model.head.graph.input[0].name, [item.name for item in model.head.graph.output]
    return lambda images: dict(zip(given, map(np.asarray, session.run(given, {fed: images})), strict=True))
