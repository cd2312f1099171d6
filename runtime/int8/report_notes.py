"""The notes of a report: images that are few or alike, values that no scale serves, and answers that are poor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.wording import tell_count
from runtime.int8.quantization_loss import GAP_DB, MIN_CHANNEL_DB, Judged, OutputLoss, QuantizationLoss

MAX_NAMED = 3
"""The largest number of values that have a note each."""

MIN_DIFFERENT = 16
"""The smallest number of different images with more than three in a fold: of fewer its figure hangs on single ones."""


def describe_images(images: int, different: int, judged: Judged) -> Iterator[str]:
    """Tell whether the images are too few, or too much alike, to stand for others."""
    if different < MIN_DIFFERENT:
        few = tell_count(images, "image")
        if different < images:
            few += ", all nearly the same" if different == 1 else f", of which about {different} are different"
        figures = "" if judged == "held out" else ", and the figures are no measurement of what int8 loses on these"
        yield f"the ranges are those of {few}: others may reach beyond them{figures}"
    elif 2 * different <= images:
        yield f"the {images} images are about {different} different ones: ranges and figures are of images like these"


def describe_floats(floats: Mapping[str, str]) -> Iterator[str]:
    """Tell which values stay float, and why."""
    for name, reason in list(floats.items())[:MAX_NAMED]:
        yield f"{name} stays float, with the layers that read it: it {reason}"
    if len(floats) > MAX_NAMED:
        yield f"and so do {len(floats) - MAX_NAMED} more values"


def describe_gaps(loss: QuantizationLoss, own: QuantizationLoss) -> Iterator[str]:
    """Tell in which outputs the images lose much more by the ranges of others than by their own."""
    for output, same in zip(loss.outputs, own.outputs, strict=True):
        gaps = same.total_db - output.total_db, same.least_db - output.least_db
        if any(gap > GAP_DB for gap in gaps):
            yield (
                f"output '{output.output}' has {output.total_db:.1f} dB of signal to noise by the ranges of others "
                f"(worst channel {output.least_db:.1f}) and {same.total_db:.1f} by those of all ({same.least_db:.1f}): "
                f"the {loss.images} images differ too much for what few they are; give more"
            )


def describe_loss(loss: QuantizationLoss) -> Iterator[str]:
    """Tell which outputs are poor, or show nothing."""
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
    found = f"{output.worst.sqnr_db:.1f} dB of signal to noise, less than {MIN_CHANNEL_DB:g}"
    return f"{where} {how}: {found}; --max-drop SHARE keeps layers in float until it has that"
