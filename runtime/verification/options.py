"""The options of a verification: at which inputs, how near results have to be, and against which source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

from archspec.ops import Op
from compiler.graph import Graph
from runtime.verification.differences import EXACT, LIMITS, Limits


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
class VerifyOptions:
    """The batches and sizes at which a file runs (none: several small ones and its own), how far results may be apart,
    as a part of the largest number (None: by the file's type), and the providers that it has to run on, all of them."""

    batches: tuple[int, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    tolerance: float | None = None
    seed: int = 0
    providers: Sequence[str] | str = ("cpu",)

    @property
    def cases(self) -> list[tuple[int, Mapping[str, int]]]:
        """Batches with the sizes; none where nothing was chosen."""
        batches = self.batches or ((1,) if self.sizes else ())
        return [(batch, self.sizes) for batch in batches]

    def limits(self, kind: str) -> Limits:
        """The limits of results that a file computes in numbers of a kind, with the chosen tolerance."""
        limits = LIMITS.get(kind, EXACT)
        return limits if self.tolerance is None else replace(limits, numbers=self.tolerance)


DEFAULTS = VerifyOptions()


class VerifyKeywords(TypedDict, total=False):
    """The fields of VerifyOptions as the keywords of a function that takes them one by one; None is the default."""

    batches: Sequence[int]
    sizes: Mapping[str, int] | None
    tolerance: float | None
    seed: int
    providers: Sequence[str] | str | None
