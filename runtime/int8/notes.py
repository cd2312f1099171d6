"""The notes of a report: values that no scale serves, and answers that are poor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runtime.int8.loss import POOR_DB, Loss, OutputLoss

NAMED = 3
"""How many values have a note each."""


def describe_floats(floats: Mapping[str, str]) -> Iterator[str]:
    """Which values stay float, and why."""
    for name, reason in list(floats.items())[:NAMED]:
        yield f"{name} stays float, with the layers that read it: it {reason}"
    if len(floats) > NAMED:
        yield f"and so do {len(floats) - NAMED} more values"


def describe_loss(loss: Loss) -> Iterator[str]:
    """Which outputs are poor, or tell nothing."""
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
