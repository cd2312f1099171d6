"""What a verification says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from archspec.errors import ArchspecError
from archspec.ops import Op
from compiler.graph import Graph
from runtime.verification.differences import EXACT, LIMITS, Limits
from runtime.verification.facts import ModelFacts

if TYPE_CHECKING:
    from runtime.verification.bisect import Bisection

Status: TypeAlias = Literal["passed", "noted", "failed"]


class UnansweredError(ArchspecError):
    """A file of which nothing can be said, since no inputs can be made up for it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was found. What is noted is no reason to fail."""

    name: str
    status: Status
    text: str

    def to_dict(self) -> dict[str, str]:
        return {"name": self.name, "status": self.status, "text": self.text}


@dataclass(frozen=True)
class Original:
    """The source that a file is compared with: a network, its weights as arrays by name, the torch and ONNX rules of
    operations that are a caller's own, and what the weights say of their training, as an export has it in its
    metadata."""

    graph: Graph
    weights: Mapping[str, Any]
    rules: Mapping[type[Op], Any] = field(default_factory=dict)
    onnx_rules: Mapping[type[Op], Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """The batches and sizes at which a file runs (none: several small ones and its own), and how far results may be
    apart, as a part of the largest number (None: by the file's type)."""

    batches: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    tolerance: float | None = None
    seed: int = 0

    @property
    def cases(self) -> list[tuple[int, Mapping[str, int]]]:
        """Batches with the sizes; none where nothing was chosen."""
        batches = self.batches or ((1,) if self.sizes else ())
        return [(batch, self.sizes) for batch in batches]

    def limits(self, kind: str) -> Limits:
        """The limits of results that a file computes in numbers of a kind, with the chosen tolerance."""
        limits = LIMITS.get(kind, EXACT)
        return limits if self.tolerance is None else replace(limits, numbers=self.tolerance)


class ChoiceKeywords(TypedDict, total=False):
    """The fields of a Choice as the keywords of a function that takes them one by one; None is the default."""

    batches: Sequence[int]
    sizes: Mapping[str, int] | None
    tolerance: float | None
    seed: int


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome: what a file is (None where it cannot be read), what was checked, and the comparison with torch node
    by node, where there was one."""

    facts: ModelFacts | None
    checks: tuple[Check, ...]
    bisection: Bisection | None = None

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(check.status != "failed" for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "file": self.facts.to_dict() if self.facts else None,
            "checks": [check.to_dict() for check in self.checks],
            "bisection": self.bisection.to_dict() if self.bisection else None,
        }
