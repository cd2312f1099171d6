"""What an export is asked to do, beside the graph, its weights and the file's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.log import warn
from archspec.ops import Op
from compiler.onnx_file.metadata import TRAINED_INT8
from compiler.onnx_target.options import PLAIN, ExportOptions

if TYPE_CHECKING:
    from runtime.pictures.file import Ground

LoweringRules: TypeAlias = Mapping[type[Op], Any]
"""The rules that lower operations to a target, by their classes."""

MAX_MEANT_DROP = 0.05
"""The largest share of a metric that somebody may mean int8 to lose; who writes 0.5 for half a percent says more."""


TRAINING = "training"
"""The method that takes over the ranges of training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The images from which an int8 model learns the ranges of its values (a data set by name, a folder, a .npy), the
    method, and how much of the task's metric it may lose before layers stay in float (None: any). `ground` is the
    colour on which transparent pictures lie.

    The method `training` takes the ranges with which the weights were trained in integers, by their metadata; then the
    images, which there need not be, only show what is lost. Raises InputError where it has a choice of its own, and
    where another method has no images.
    """

    data: str | Path | None = None
    method: str = "mse"
    max_drop: float | None = None
    reduce_range: bool = False
    ground: Ground | None = None

    def __post_init__(self) -> None:
        if self.method == TRAINING:
            if self.max_drop is not None or self.reduce_range:
                raise InputError("weights that were trained in integers have their layers and bits from training")
        elif self.data is None:
            raise InputError(f"the calibration {self.method} needs images: a data set by name, a folder, a .npy")


TRAINED = Calibration(method=TRAINING)
"""The calibration of weights that were trained in integers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """The way in which a file is written. With `verify` it has to agree with torch first; `options` are the type of its
    numbers and the runtime it is for, and `calibration` is what int8 needs, and int8 alone. `optimized` adds ONNX
    Runtime's own form for this machine. `metadata` are texts that the file says of itself; `rules` and `torch_rules`
    lower operations that are the caller's own, to ONNX and to torch. `on_step` hears how many of how many steps of a
    calibration are done.

    Raises InputError where calibration and precision do not go together.
    """

    verify: bool = True
    options: ExportOptions = PLAIN
    calibration: Calibration | None = None
    optimized: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    rules: LoweringRules = field(default_factory=dict)
    torch_rules: LoweringRules = field(default_factory=dict)
    on_step: OnStep = ignore_step

    def __post_init__(self) -> None:
        int8 = self.options.precision == "int8"
        if int8 and self.calibration is None and TRAINED_INT8 in self.metadata:
            object.__setattr__(self, "calibration", TRAINED)
        if int8 != (self.calibration is not None):
            raise InputError("int8 needs calibration data, and calibration data is for int8 alone")
        if self.calibration is not None and self.calibration.method == TRAINING and TRAINED_INT8 not in self.metadata:
            raise InputError("these weights were not trained in integers: their metadata have no ranges")


class ExportKeywords(TypedDict, total=False):
    """The fields of an ExportPlan as the keywords of a function that takes them one by one; None is the default."""

    verify: bool
    options: ExportOptions | None
    calibration: Calibration | None
    optimized: bool
    metadata: Mapping[str, str] | None
    rules: LoweringRules | None
    torch_rules: LoweringRules | None
    on_step: OnStep


def tell_large_drop(what: str, drop: float) -> None:
    """Warn where `what` may lose a larger share of a metric than anybody means."""
    if drop > MAX_MEANT_DROP:
        points = f"{100 * drop:g}"
        warn(f"{what} may lose {points} points of 100 in each metric, by max_drop; half a point is 0.5%, or 0.005")
