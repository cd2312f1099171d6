"""Warnings of what a user must be told although nothing failed: a line in the log, which the command line shows on
stderr."""

from __future__ import annotations

from archspec.wording import escape_controls


def warn(text: str) -> None:
    """Log a warning as one line; names from files may hold anything."""
    import logging  # few programs are ever warned

    logging.getLogger("archspec").warning("%s", escape_controls(text))
