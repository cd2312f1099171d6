"""The outcome of a verification."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts

if TYPE_CHECKING:
    from runtime.verification.source.bisection import Bisection


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome: what a file is (None where it cannot be read), what was checked, and the comparison with torch node
    by node, where there was one."""

    facts: ModelFacts | None
    checks: tuple[Check, ...]
    bisection: Bisection | None = None

    @property
    def passed(self) -> bool:
        """True if no check failed."""
        return all(check.status != "failed" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "file": self.facts.to_dict() if self.facts else None,
            "checks": [check.to_dict() for check in self.checks],
            "bisection": self.bisection.to_dict() if self.bisection else None,
        }
