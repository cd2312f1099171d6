"""The callbacks of functions that take long, called while these are at work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

OnStep: TypeAlias = Callable[[int, int], None]
"""A function that hears how many steps of how many are done, by the name `on_step`."""


def ignore_step(done: int, of: int) -> None:
    """Do nothing with the count of steps."""
