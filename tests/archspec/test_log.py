"""What a user must be told is one line of the log, whatever stands in it."""

from __future__ import annotations

import logging

import pytest

from archspec.log import warn


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("100 %s of {it}, 5 %", "100 %s of {it}, 5 %"),
        ("red \x1b[31m.onnx", r"red \x1b[31m.onnx"),
        ("two\nlines", r"two\nlines"),
        ("größer als 3×3", "größer als 3×3"),
    ],
)
def test_a_warning_is_one_line_as_it_was_written(text: str, told: str, caplog: pytest.LogCaptureFixture) -> None:
    warn(text)
    assert caplog.record_tuples == [("archspec", logging.WARNING, told)]


def test_who_asks_for_errors_alone_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "archspec"):
        warn("a doubt")
    assert caplog.messages == []
