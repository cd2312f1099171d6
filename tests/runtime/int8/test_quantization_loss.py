"""What a loss says of itself follows from its signal to noise, at each bound."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runtime.int8.quantization_loss import MIN_CHANNEL_DB, MIN_DB, ChannelLoss, OutputLoss, QuantizationLoss

FINE = OutputLoss("out", 3, "accuracy", 0.9, 0.88, 40.0, ChannelLoss(1, None, 30.0), True, (), None)


def test_the_relative_error_is_that_of_the_decibels() -> None:
    """20 dB are a tenth of the amplitude."""
    assert replace(FINE, sqnr_db=20.0).relative_error == pytest.approx(0.1)
    assert replace(FINE, sqnr_db=None).relative_error == 0


def test_a_drop_within_the_budget_is_met_unless_a_channel_is_poor() -> None:
    loss = QuantizationLoss(10, "held out", (FINE,))
    assert loss.drop == pytest.approx(0.02)
    assert loss.meets(0.03)
    assert not loss.meets(0.01)
    poor = replace(FINE, worst=ChannelLoss(1, None, MIN_CHANNEL_DB - 0.1))
    assert not QuantizationLoss(10, "held out", (FINE, poor)).meets(0.03)


def test_an_error_that_rises_is_a_drop() -> None:
    error = replace(FINE, metric="rmse", before=0.0145, after=0.0159, lower_is_better=True)
    assert error.drop == pytest.approx(0.0014)
    assert not QuantizationLoss(10, "held out", (error,)).meets(0.001)
    assert QuantizationLoss(10, "held out", (replace(error, lower_is_better=False),)).meets(0.001), "the control"
    assert error.to_dict().keys() == FINE.to_dict().keys()


def test_less_than_half_signal_is_lost() -> None:
    assert replace(FINE, sqnr_db=MIN_DB - 0.1).is_lost
    assert not replace(FINE, sqnr_db=MIN_DB).is_lost
    assert replace(FINE, middle_db=MIN_DB - 0.1).is_lost_on_half


def test_folds_that_differ_are_uncertain() -> None:
    assert replace(FINE, parts_db=(40.0, 33.0)).is_uncertain
    assert not replace(FINE, parts_db=(40.0, 35.0)).is_uncertain
