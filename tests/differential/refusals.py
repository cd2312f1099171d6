"""What a refusal must be: a message that names its matter and hides nothing, for a reason that others find too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archspec.api import proof_cases
from compiler.graph import Graph
from tests.differential.documents import Spec
from tests.differential.harness import Disagreement
from tests.differential.network import Network
from tests.differential.truths import FLIPS, KINDS, ROUNDINGS, TOLERANCES, draw_inputs, sizes_of
from tests.differential.wishes import NONSENSE, Wish, mean_weights
from tests.differential.witness import Inputs, Outputs, Witness

HIDDEN = re.compile(r"Traceback|onnxruntime_src|/\.\S+\.onnx\.|\bobject at 0x|\n|\.py\b")
"""What no message shows: places in programs, names of temporary files, a second line."""


@dataclass(frozen=True)
class Refusal:
    """What was refused, with which message; `graph` is that of one member."""

    message: str
    path: Path
    spec: Spec
    wish: Wish
    given: Mapping[str, Any]
    graph: Graph

    @cached_property
    def witness(self) -> Witness:
        return Witness(self.wish, mean_weights(self.given))

    def cases(self) -> Iterator[tuple[Network, Inputs]]:
        """The networks and inputs of the proof."""
        usual, generator = self.spec.interpret(), np.random.default_rng(0)
        for shapes in proof_cases(self.graph):
            yield self.spec.interpret(sizes_of(usual, shapes)), draw_inputs(shapes, generator)

    def answers(self, kind: torch.dtype | None = None) -> Iterator[tuple[Outputs, Outputs]]:
        """For the inputs of the proof what the executor gives in double precision, and in single, rounded to `kind`."""
        for network, inputs in self.cases():
            exact = self.witness.answer(network, inputs, torch.float64)
            yield exact, self.witness.answer(network, inputs, torch.float32, kind)


def judge_refusal(refusal: Refusal) -> Iterator[Disagreement]:
    message = refusal.message.replace(str(refusal.path), refusal.path.name)
    if HIDDEN.search(message):
        yield Disagreement("message: shows what is hidden", message[:300])
    graph = refusal.wish.shape(refusal.graph) if refusal.wish.combine != "vote" else refusal.graph
    matters = {refusal.path.name, refusal.graph.name, *refusal.given, *graph.nodes, *graph.outputs}
    if not any(matter in message for matter in matters):
        yield Disagreement("message: names nothing", message[:300])
    reasons = [is_so for words, is_so in REASONS.items() if words in message]
    if not any(is_so(refusal) for is_so in reasons):
        yield Disagreement("refused without a reason", message[:300])


def name_refusal(message: str) -> str:
    return next((words for words in REASONS if words in message), message[:60])


def not_numbers(refusal: Refusal) -> bool:
    return refusal.wish.weights in NONSENSE


def not_finite(refusal: Refusal) -> bool:
    return not all(bool(torch.isfinite(value).all()) for value in mean_weights(refusal.given).values())


def too_large_for_halves(refusal: Refusal) -> bool:
    return refusal.wish.precision == "fp16" and refusal.wish.weights != "plain"


def overflows(refusal: Refusal, *, half: bool) -> bool:
    """Whether the executor comes to infinite numbers too."""
    kind = KINDS[refusal.wish.precision] if half else None
    return not all(bool(torch.isfinite(v).all()) for _, own in refusal.answers(kind) for v in own.values())


def magnifies_rounding(refusal: Refusal) -> bool:
    """Whether the executor is off too, by some part of what is allowed; of votes, in more positions than may differ, or
    whether as much as that decides there."""
    precision = refusal.wish.precision
    pairs = refusal.answers(KINDS[precision])
    off = max(refusal.witness.differ(exact[name], own[name].double()) for exact, own in pairs for name in exact)
    if refusal.witness.votes:
        return max(off, find_undecided(refusal, TOLERANCES[precision])) > FLIPS[precision]
    return off > TOLERANCES[precision] / ROUNDINGS


def find_undecided(refusal: Refusal, off: float) -> float:
    """The largest share of positions in which two channels of a member are nearer to each other than what is off."""
    shares = [0.0]
    for network, inputs in refusal.cases():
        for values in refusal.witness.ask_members(network, inputs, torch.float64).values():
            first, second = values.topk(2, dim=2).values.unbind(2)
            shares.append(float((first - second <= off * values.abs().max()).any(0).double().mean()))
    return max(shares)


def has_one_channel(refusal: Refusal) -> bool:
    channels = [refusal.graph[id].shape.channels for id in refusal.graph.outputs.values()]
    return refusal.wish.combine == "vote" and 1 in channels


REASONS: dict[str, Callable[[Refusal], bool]] = {
    "do not fit": not_numbers,
    "is of type": not_numbers,
    "infinite in float32": lambda refusal: refusal.wish.weights in ("beyond float32", "huge"),
    "form for this CPU": lambda refusal: refusal.wish.optimized and refusal.wish.precision == "bf16",
    "no variance is below zero": lambda refusal: refusal.wish.weights == "negative",
    "directions of length zero": lambda refusal: refusal.wish.weights in ("zeros", "tiny"),
    "not finite": not_finite,
    "holds infinite": not_finite,
    "infinite in float16": too_large_for_halves,
    "NaN in torch": lambda refusal: overflows(refusal, half=False),
    "NaN in ONNX": lambda refusal: overflows(refusal, half=True),
    "between torch and ONNX": magnifies_rounding,
    "a vote is taken among channels": has_one_channel,
}
"""Words of messages, and whether the matter is so."""
