"""The loss of a quantized model: what it loses against the float model it was made of."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from math import inf
from typing import Any, Literal

Judged = Literal["held out", "by ranges of others", "by their own ranges", "by ranges of training"]
"""The images that a loss is of: those that have labels and gave no ranges; those of the calibration, each fold of them
by the ranges of the other folds; all of them by the ranges of all, where they are few; or any, by the ranges that
weights were trained with."""

MIN_CHANNEL_DB = 10.0
"""The smallest signal-to-noise ratio of a channel, in dB, that is not told: a tenth of its variance is noise."""

GAP_DB = 6.0
"""The largest difference, in dB, between folds, or between what images lose by the ranges of others and by their own,
where the others showed what they are like: one bit."""

MIN_DB = 3.0
"""The smallest signal-to-noise ratio of an output, in dB, that answers like the float model: half of it is noise."""


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
    """The loss of int8 in one output: a metric before and after, and the signal-to-noise ratio in dB over all channels,
    10 log10(Σ float² / Σ (float - int8)²), None where both are equal.

    The metric is the task's own on images with labels. Without labels it is `agreement`, how far the answers
    are the float model's; where a channel stands alone there is no answer to agree on, and it is `r2`, 1 - Σ (float -
    int8)² / Σ (float - mean)². `worst` is the channel with the least signal to noise, None where no channel differs.
    `varies` says whether the float model's numbers are not all the same in every channel. `parts_db` are the
    signal-to-noise ratios of the folds, `middle_db` is that of the image in the middle. The metric is a share, or an
    error where `lower_is_better`.
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
    lower_is_better: bool = False

    @property
    def drop(self) -> float:
        """The amount by which the metric is worse than before, in its unit."""
        return self.after - self.before if self.lower_is_better else self.before - self.after

    @property
    def relative_error(self) -> float:
        """The relative error √(Σ (float - int8)² / Σ float²), over all channels."""
        return 0.0 if self.sqnr_db is None else float(10 ** (-self.sqnr_db / 20))

    @property
    def total_db(self) -> float:
        return inf if self.sqnr_db is None else self.sqnr_db

    @property
    def least_db(self) -> float:
        """The signal-to-noise ratio of the worst channel in dB; that of all channels where none is worst."""
        return self.total_db if self.worst is None else self.worst.sqnr_db

    @property
    def is_uncertain(self) -> bool:
        """True if it may hang on images that the ranges of others did not foresee: little is left, or folds differ."""
        parts = [found for found in self.parts_db if found is not None]
        return bool(parts) and (self.total_db < MIN_CHANNEL_DB or max(parts) - min(parts) > GAP_DB)

    @property
    def is_poor(self) -> bool:
        return self.worst is not None and self.worst.sqnr_db < MIN_CHANNEL_DB

    @property
    def is_lost(self) -> bool:
        return self.sqnr_db is not None and self.sqnr_db < MIN_DB

    @property
    def is_lost_on_half(self) -> bool:
        return self.middle_db is not None and self.middle_db < MIN_DB

    def to_dict(self) -> dict[str, Any]:
        """Give the loss as plain values; `drop` tells which way the metric is better."""
        figures = dataclasses.asdict(self)
        del figures["lower_is_better"]
        return {**figures, "drop": self.drop, "relative_error": self.relative_error}


@dataclass(frozen=True, slots=True)
class QuantizationLoss:
    """The loss of int8 on so many `images`, in each output; in none where there were no images to judge it on."""

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
        """True if no output's metric is worse by more than `max_drop`, and none is poor."""
        return self.drop <= max_drop and not any(output.is_poor or output.is_lost for output in self.outputs)

    def to_dict(self) -> dict[str, Any]:
        outputs = [output.to_dict() for output in self.outputs]
        drop = self.drop if self.outputs else None
        return {"images": self.images, "judged": self.judged, "drop": drop, "outputs": outputs}
