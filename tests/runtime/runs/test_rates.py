"""The picture of a range test says in words what it shows."""

from __future__ import annotations

from pathlib import Path

from runtime.runs.rates import draw_rates
from runtime.training.rate_search import RangeTest


def test_the_suggested_rates_are_drawn(tmp_path: Path) -> None:
    found = RangeTest((1e-4, 1e-3, 1e-2, 1e-1), (2.0, 1.9, 1.0, 4.0), 0.0042, 0.031)
    draw_rates(found, tmp_path / "rates.svg")
    text = (tmp_path / "rates.svg").read_text(encoding="utf-8")
    assert text.startswith("<?xml") or "<svg" in text[:400]
    assert "the loss falls most steeply at 0.0042; it is lowest at 0.031, of which a tenth is 0.0031" in text
    for word in ("learning rate", "loss, smoothed", "steepest: 0.0042", "a tenth of the lowest's: 0.0031", "10⁻²"):
        assert word in text
