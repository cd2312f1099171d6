"""What commands print, read as a script would: a row a line, its cells apart by two blanks or more."""

from __future__ import annotations

import re

import pytest


def read_rows(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The cells of every line that was printed; empty lines are left out."""
    lines = capsys.readouterr().out.splitlines()
    return [re.split(r"\s{2,}", line.strip()) for line in lines if line.strip()]
