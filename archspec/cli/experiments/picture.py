"""The picture that an experiment draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def draw_results(path: Path | None, draw: Callable[[Any], str], results: Sequence[Any]) -> None:
    """Draw what was measured into a file, where one is asked for."""
    from archspec.files import write_text

    if path is not None:
        write_text(path, draw(results))
