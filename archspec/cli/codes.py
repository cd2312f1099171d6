"""Every code that a message may have, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archspec.spec.codes import Code


def read_codes() -> Mapping[str, Code]:
    """List every code by name: those of mistakes and failures, then those of findings."""
    from archspec.spec.codes import FAILURES, MISTAKES
    from compiler.analysis.lint import CODES

    return {code.code: code for code in (*MISTAKES, *FAILURES)} | CODES
