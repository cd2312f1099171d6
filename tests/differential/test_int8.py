"""Random int8 exports from hostile data."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.int8 import quantize
from runtime.int8.sqnr import ErrorSums
from tests.differential.harness import run_seeds, table

MODULE = "tests.differential.int8"


def test_nothing_disagrees() -> None:
    summary = run_seeds(MODULE, range(40))
    assert not summary.found, table(summary)
    assert summary.words["(refused)"] > 5
    assert summary.words["(written)"] > 15
    assert summary.words["(on other images)"] > 3


@pytest.mark.slow
def test_nothing_disagrees_over_many() -> None:
    summary = run_seeds(MODULE, range(1000, 1500))
    assert not summary.found, table(summary)


def test_a_flattering_report_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: the noise is halved."""
    honest: Any = vars(ErrorSums)["ratio"].fget
    assert honest is not None
    monkeypatch.setattr(ErrorSums, "ratio", property(lambda self: honest(self) / 2))
    assert "signal to noise" in run_seeds(MODULE, range(20)).found


def test_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: nobody says what is poor, and nothing is refused."""
    for name in ("describe_gaps", "describe_loss"):
        monkeypatch.setattr(quantize, name, lambda *_: ())
    monkeypatch.setattr(quantize, "_refuse_lost", lambda *_: None)
    assert "silently poor" in run_seeds(MODULE, range(3)).found
