"""The notes of a report: values that no scale serves, and answers that are poor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from compiler.onnx_target.scheme import TINIEST, Range
from runtime.int8.calibrate import Ranges
from runtime.int8.loss import POOR_DB, Loss, OutputLoss

UNEVEN = 32
"""Where one piece of a value reaches so many times as far as another, that has three of the eight bits left. In the
zoo's networks, with weights around their initialization, it is 13 times at most."""

STEPS = 255
"""How many steps eight bits have."""

NAMED = 3
"""How many values have a note each."""


def find_floats(ranges: Ranges) -> dict[str, str]:
    """The values that no scale serves, and why: other images need integers where all numbers were the same, and the
    smaller of two pieces would get none of those of the larger."""
    found = {}
    for name, whole in ranges.whole.items():
        if whole[1] - whole[0] < STEPS * TINIEST:
            found[name] = f"is {whole[0]:g} everywhere on the calibration data"
            continue
        widths = [width for width in map(_measure_width, ranges.pieces.get(name, ())) if width > 0]
        if widths and _measure_width(whole) > UNEVEN * min(widths):
            times = _measure_width(whole) / min(widths)
            found[name] = f"joins pieces of which the largest reaches {times:,.0f} times as far as the smallest"
    return found


def describe_floats(floats: Mapping[str, str]) -> Iterator[str]:
    for name, reason in list(floats.items())[:NAMED]:
        yield f"{name} stays float, with the layers that read it: it {reason}"
    if len(floats) > NAMED:
        yield f"and so do {len(floats) - NAMED} more values"


def describe_loss(loss: Loss) -> Iterator[str]:
    for output in loss.outputs:
        if not output.varies and loss.images > 1:
            yield (
                f"the float model's output '{output.output}' is the same everywhere on {loss.images} images: what int8 "
                "loses in it is not known"
            )
        elif output.is_poor:
            yield _describe_poor(output)


def _describe_poor(output: OutputLoss) -> str:
    assert output.worst is not None
    where = f"output '{output.output}'"
    if output.channels > 1:
        name = f" ({output.worst.name})" if output.worst.name else ""
        where = f"channel {output.worst.channel}{name} of {where}"
    how = "answers no better than its mean would" if output.worst.sqnr_db <= 0 else "is poor"
    found = f"{output.worst.sqnr_db:.1f} dB of signal to noise, less than {POOR_DB:g}"
    return f"{where} {how}: {found}; --max-drop SHARE keeps layers in float until it has that"


def _measure_width(range_: Range) -> float:
    return max(range_[1], 0.0) - min(range_[0], 0.0)
