"""The options of an export: the type of its numbers, of its inputs and outputs, and the runtime it is for."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from archspec.errors import ArchspecError, suggest
from archspec.precision import FloatPrecision

Precision = Literal[FloatPrecision, "int8"]
Io = Literal["same", "fp32"]
Target = Literal["any", "cpu", "tensorrt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """The choices of an export: `precision` is the type of weights and activations; `io` that of inputs and outputs,
    "same" or always float32; `target` the runtime whose fast forms are taken, "any" for forms that are good on all of
    them.

    Raises ArchspecError where a value is not one of those.
    """

    precision: Precision = "fp32"
    io: Io = "same"
    target: Target = "any"

    @property
    def float_precision(self) -> FloatPrecision:
        """The precision of the model in floating-point numbers: that for integers is then calibrated and quantized."""
        return "fp32" if self.precision == "int8" else self.precision

    def __post_init__(self) -> None:
        kinds = get_type_hints(type(self))
        for field in fields(self):
            value, allowed = getattr(self, field.name), get_args(kinds[field.name])
            if value not in allowed:
                known = ", ".join(allowed)
                raise ArchspecError(f"{field.name} is one of {known}, not '{value}'{suggest(str(value), allowed)}")


PLAIN = ExportOptions()
