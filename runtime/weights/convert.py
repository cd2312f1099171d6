"""Weights that others trained, under the names and shapes of a graph: nothing is guessed, and nothing left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from archspec.arrays import Float32Array
from archspec.errors import InputError, ModelError, raising, suggest, tell_value
from archspec.spec.zoo import RULES, ZOO, shown
from archspec.wording import list_some
from compiler.graph import Graph
from compiler.mismatch import list_prefixes
from compiler.passes.cast_weights import cast
from runtime.weights.in_memory import is_counter, tell_rounding
from runtime.weights.name_rules import NameRules
from runtime.weights.origin import Piece, RowUse, WeightOrigin
from runtime.weights.safetensors_file import StoredTensor

AUTO = "auto"
OWN = "archspec"
"""The source whose names are the graph's own, as torch saves the state dict of `to_torch`."""

FLOAT32 = np.dtype(np.float32)

MAX_LISTED = 5
"""The most names of one kind that a message shows."""


@dataclass(frozen=True, slots=True)
class WeightMatch:
    """A weight of ours, with the extents it should have, and the tensor of theirs that it is read from, or pieces of
    some.

    `origin` is None where no rule speaks of it, `found` where there is no such tensor.
    """

    ours: str
    expected: tuple[int, ...]
    origin: WeightOrigin | None
    pieces: tuple[Piece, ...] = ()
    found: tuple[int, ...] | None = None

    @property
    def theirs(self) -> str | None:
        """The names of their tensors, with the rows that are cut out."""
        if self.origin is None:
            return None
        return " + ".join(map(str, self.pieces or self.origin.names))

    @property
    def fits(self) -> bool:
        """Tell whether the extents agree. Extents of 1 say nothing: a linear layer is a 1×1 convolution."""
        if self.found is None:
            return False
        if self.origin is not None and self.origin.reshape:
            return math.prod(self.found) == math.prod(self.expected)
        return [extent for extent in self.found if extent != 1] == [extent for extent in self.expected if extent != 1]

    def __str__(self) -> str:
        if self.theirs is None:
            return f"{self.ours} (no rule speaks of it)"
        return f"{self.ours} (from {self.theirs})" + ("" if self.found is None else f" {self.expected}: {self.found}")

    def to_dict(self) -> dict[str, Any]:
        rows = {"name": self.ours, "shape": list(self.expected), "source": self.theirs}
        return rows if self.found is None else rows | {"found": list(self.found)}


@dataclass(frozen=True)
class Conversion:
    """The match of a state dict with a graph by the rules of one file, and what did not match on both sides."""

    network: str
    sources: tuple[str, ...]
    rules: str
    pairs: tuple[WeightMatch, ...]
    unused: tuple[str, ...]
    ignored: tuple[str, ...]
    state: Mapping[str, StoredTensor] = field(repr=False)
    facts: Mapping[str, str] = field(default_factory=dict)
    """The metadata of the file."""
    tried: tuple[str, ...] = ()
    """All sources whose names were tried."""

    @property
    def fitting(self) -> tuple[WeightMatch, ...]:
        """The weights of ours that have a tensor of their extents."""
        return tuple(pair for pair in self.pairs if pair.fits)

    @property
    def missing(self) -> tuple[WeightMatch, ...]:
        """The weights of ours for which there is no tensor."""
        return tuple(pair for pair in self.pairs if pair.found is None)

    @property
    def misshapen(self) -> tuple[WeightMatch, ...]:
        """The weights of ours whose tensor has other extents."""
        return tuple(pair for pair in self.pairs if pair.found is not None and not pair.fits)

    @property
    def counters(self) -> int:
        """The number of batch normalizations' counters among what is ignored."""
        return sum(map(is_counter, self.ignored))

    @property
    def is_whole(self) -> bool:
        """True if each weight has its tensor, and each tensor its use."""
        return not (self.missing or self.misshapen or self.unused)

    def check(self) -> None:
        """Raises InputError with what did not match, unless each weight has its tensor and each tensor its use."""
        if self.is_whole:
            return
        parts = [
            _list("missing", self.missing),
            _list("of another shape", self.misshapen),
            _list("not used", self.unused),
        ]
        problems = "; ".join(part for part in parts if part)
        names = f"the names of {' and '.join(self.sources)} ({self.rules})"
        if len(self.tried) > len(self.sources):
            names += f", the nearest of those that were tried ({', '.join(self.tried)})"
        advice = f"; other names need rules beside the spec, SPEC{RULES}" if self.missing and self.unused else ""
        raise InputError(f"the state dict does not fit {self.network} by {names}: {problems}{advice}")

    @raising(ModelError)
    def read(self) -> dict[str, Float32Array]:
        """Read the arrays by our names, in float32. Raises InputError where something did not match, and ModelError
        where a number is not finite, or beyond float32."""
        self.check()
        names = dict.fromkeys(piece.name for pair in self.pairs for piece in pair.pieces)
        read = {name: self.state[name].read() for name in names}
        tell_rounding(read)
        arrays = {name: cast(array, FLOAT32, f"the weight '{name}'") for name, array in read.items()}
        return {
            pair.ours: np.ascontiguousarray(pair.origin.build(pair.pieces, arrays)).reshape(pair.expected)
            for pair in self.pairs
            if pair.origin is not None
        }

    def to_dict(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "sources": list(self.sources),
            "rules": self.rules,
            "converted": len(self.fitting),
            "missing": [pair.to_dict() for pair in self.missing],
            "wrong_shape": [pair.to_dict() for pair in self.misshapen],
            "unused": list(self.unused),
            "ignored": list(self.ignored),
        }


@dataclass(frozen=True, slots=True)
class OwnNames:
    """The rules of names that are ours already."""

    file: str = "by the names in the graph"
    sources: tuple[str, ...] = (OWN,)

    def leaves_out(self, name: str) -> bool:
        return False

    def translate(self, name: str) -> WeightOrigin:
        return WeightOrigin((name,))


def convert(
    state: Mapping[str, StoredTensor],
    graph: Graph,
    rules: Sequence[NameRules],
    source: str = AUTO,
    facts: Mapping[str, str] | None = None,
) -> Conversion:
    """Match a state dict with a graph's weights. With `auto`, by the rules that fit most of them, or by the graph's own
    names; where the same rules hold for several sources, they all are named. What stands before every name, as wrappers
    put it there, is taken away where more fits without.

    Nothing is read yet. Raises InputError where no rules are of that source, or there are none and the names are not
    ours.
    """
    if not _are_rules(rules):
        raise InputError(f"rules of names are what archspec.find_rules(…) finds, not {tell_value(rules)}")
    every: list[NameRules | OwnNames] = [OwnNames(), *rules]
    known = [name for entry in every for name in entry.sources]
    chosen = [entry for entry in every if source in (AUTO, *entry.sources)]
    if not chosen:
        listing = ", ".join(dict.fromkeys(known))
        raise InputError(
            f"there are no rules for names of '{source}'{suggest(source, known)}; {graph.name} has: {listing}"
        )
    forms = [{name.removeprefix(prefix): stored for name, stored in state.items()} for prefix in list_prefixes(state)]
    trials = [_match(form, graph, entry, facts or {}) for form in forms for entry in chosen]
    best = max(trials, key=lambda trial: (len(trial.fitting), trial.is_whole, -len(trial.missing)))
    best = replace(best, tried=tuple(dict.fromkeys(name for entry in chosen for name in entry.sources)))
    if not rules and not any(pair.found for pair in best.pairs):
        raise InputError(
            f"the names in the file are not those of {graph.name}, and no rules say how its weights are called "
            f"elsewhere: write them to SPEC{RULES} beside the spec, as {shown(ZOO / 'resnet' / 'resnet')}{RULES} has "
            "them for ResNets"
        )
    return best if source == AUTO else replace(best, sources=(source,))


def _match(
    state: Mapping[str, StoredTensor], graph: Graph, rules: NameRules | OwnNames, facts: Mapping[str, str]
) -> Conversion:
    used = RowUse(rules.file)
    shapes = {ours: weight.shape for ours, weight in graph.weights.items()}
    pairs = [_find_match(state, ours, shape, rules.translate(ours), used) for ours, shape in shapes.items()]
    ignored = tuple(name for name in state if is_counter(name) or rules.leaves_out(name))
    passed = {*ignored}
    left = (used.find_unused(name, stored) for name, stored in state.items() if name not in passed)
    unused = tuple(text for text in left if text is not None)
    return Conversion(graph.name, rules.sources, rules.file, tuple(pairs), unused, ignored, state, facts)


def _find_match(
    state: Mapping[str, StoredTensor], ours: str, expected: tuple[int, ...], origin: WeightOrigin | None, used: RowUse
) -> WeightMatch:
    """Match a weight with the pieces that it comes from, which are noted as used."""
    if origin is None:
        return WeightMatch(ours, expected, None)
    pieces = origin.find_pieces(state, ours)
    for piece in pieces or ():
        used.take(piece, ours)
    if pieces is None:
        return WeightMatch(ours, expected, origin)
    return WeightMatch(ours, expected, origin, pieces, origin.find_shape(pieces, ours))


def _list(what: str, items: Sequence[Any]) -> str:
    return f"{what}: {list_some(items, MAX_LISTED, ', ')}" if items else ""


def _are_rules(given: object) -> bool:
    return isinstance(given, Sequence) and all(isinstance(rules, NameRules) for rules in given)
