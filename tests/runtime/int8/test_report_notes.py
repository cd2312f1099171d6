"""Notes say what is few, alike or poor, and are silent else."""

from __future__ import annotations

from dataclasses import replace

from runtime.int8.quantization_loss import ChannelLoss, OutputLoss, QuantizationLoss
from runtime.int8.report_notes import describe_floats, describe_gaps, describe_images, describe_loss

FINE = OutputLoss("out", 3, "accuracy", 0.9, 0.88, 40.0, ChannelLoss(1, "cat", 30.0), True, (), None)


def test_images_that_are_few_or_alike_are_said() -> None:
    assert not list(describe_images(100, 90, "held out"))
    (few,) = describe_images(5, 5, "by their own ranges")
    assert few.startswith("the ranges are those of 5 images: others may reach beyond them, and the figures are no")
    (alike,) = describe_images(100, 20, "held out")
    assert alike.startswith("the 100 images are about 20 different ones")


def test_only_the_first_values_have_a_note_each() -> None:
    assert list(describe_floats({"a": "is 0"})) == ["a stays float, with the layers that read it: it is 0"]
    assert list(describe_floats(dict.fromkeys("abcde", "is 0")))[-1] == "and so do 2 more values"


def test_gaps_and_poor_channels_are_said() -> None:
    loss = QuantizationLoss(10, "by ranges of others", (replace(FINE, sqnr_db=20.0),))
    assert not list(describe_gaps(loss, loss))
    (gap,) = describe_gaps(loss, QuantizationLoss(10, "by their own ranges", (FINE,)))
    assert "has 20.0 dB of signal to noise by the ranges of others" in gap
    assert not list(describe_loss(loss))
    poor = replace(FINE, worst=ChannelLoss(1, "cat", 4.0))
    (said,) = describe_loss(QuantizationLoss(10, "held out", (poor,)))
    assert said.startswith("channel 1 (cat) of output 'out' is poor: 4.0 dB")
    (still,) = describe_loss(QuantizationLoss(10, "held out", (replace(FINE, varies=False),)))
    assert "is the same everywhere on 10 images" in still
