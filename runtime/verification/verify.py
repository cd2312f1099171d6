"""Verify a model file: it is sound, runs at several sizes, and agrees with a witness."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from archspec.errors import ArchspecError
from compiler.finite import is_finite
from runtime.agreement import Limits, compare, compare_votes
from runtime.bench import make_inputs
from runtime.cases import PROOF_BUDGET, choose_small, list_shapes
from runtime.session import Session
from runtime.verification.checks import Check, Choice, Original, Status, Verification
from runtime.verification.content import check_content, check_optimized
from runtime.verification.facts import ModelFacts, read_facts
from runtime.verification.inside import ModelInside, open_runnable
from runtime.verification.witness import REFERENCE, Statement, Witness, find_votes

Array = npt.NDArray[Any]

EVERYTHING = Choice()


def verify(path: str | Path, original: Original | None = None, choice: Choice = EVERYTHING) -> Verification:
    """Check a model file on ONNX Runtime's CPU provider, by itself and, where it is given, against its original.

    Raises MissingExtra, and ArchspecError where a choice does not fit the file, or the original's weights its network.
    """
    try:
        inside = ModelInside(path)
        facts = read_facts(inside)
    except ArchspecError as error:
        return Verification(None, (Check("file", "failed", str(error)),))
    checks = [
        _check_file(facts),
        check_content(facts),
        _check_stored(inside, facts),
        *_check_runs(inside, facts, choice),
        *check_optimized(
            facts, choice, partial(_compare, votes=find_votes(inside.model), limits=choice.limits(facts.dtype))
        ),
    ]
    if original is None:
        return Verification(facts, tuple(checks))
    from runtime.verification.against import hold_against  # which needs torch

    more, bisection = hold_against(inside, facts, original, choice)
    return Verification(facts, (*checks, *more), bisection)


def _check_file(facts: ModelFacts) -> Check:
    files = f"{1 + len(facts.data)} files" if facts.data else "one file"
    found = (
        f"opset {facts.opset}, IR version {facts.ir_version}, {facts.nodes:,} nodes, {facts.bytes:,} bytes in {files}"
    )
    return Check("file", "passed", f"onnx's checker finds it sound: {found}")


def _check_stored(inside: ModelInside, facts: ModelFacts) -> Check:
    found = inside.find_infinite()
    count = f"{facts.stored:,} stored tensors of {facts.numbers:,} numbers"
    if found is None:
        return Check("numbers", "passed", f"{count}, all finite")
    name, kind = found
    if kind == "NaN":
        return Check("numbers", "failed", f"{name} holds NaN")
    return Check("numbers", "noted", f"{count}; {name} holds infinite numbers, as masks do")


def _check_runs(inside: ModelInside, facts: ModelFacts, choice: Choice) -> Iterator[Check]:
    """A check for each size: the file runs there, its numbers are finite, and a witness agrees."""
    witness, votes = Witness(inside), find_votes(inside.model)
    limits = choice.limits(facts.dtype)
    with open_runnable(inside) as path:
        try:
            session = Session(path, providers=("cpu",), settings="default", as_written=True)
        except ArchspecError as error:
            yield Check("runs", "failed", str(error))
            return
        for feed in _choose_inputs(session, witness, choice):
            where = list_shapes({name: array.shape for name, array in feed.items()})
            try:
                status, text = _hear(session.run(feed), witness, feed, partial(_compare, votes=votes, limits=limits))
                yield Check(where, status, text)
            except ArchspecError as error:
                yield Check(where, "failed", str(error))


def _hear(
    found: Mapping[str, Array], witness: Witness, feed: Mapping[str, Array], compare: Callable[..., str]
) -> tuple[Status, str]:
    """What a witness says of outputs; where it contradicts, another is heard before the file is called wrong. A witness
    that stands alone is noted: it may be wrong itself, or both ways of ONNX Runtime are.

    Raises ArchspecError where numbers are not finite, or no witness agrees.
    """
    for name, array in found.items():
        if not is_finite(array):
            raise ArchspecError(f"the output '{name}' holds infinite numbers or NaN")
    said = witness.run(feed)
    try:
        return "passed", f"finite; {compare(found, said)}"
    except ArchspecError as contradiction:
        if said[0] != REFERENCE:
            raise
        try:
            agreed = compare(found, witness.run_plain(feed))
        except ArchspecError:
            raise contradiction from None
        return "noted", f"finite; {agreed}; {REFERENCE} stands alone: {contradiction}"


def _choose_inputs(session: Session, witness: Witness, choice: Choice) -> Iterator[dict[str, Array]]:
    """Inputs of each chosen batch and size, no shape twice; its own size where that is cheap, or all it takes."""

    def is_cheap(batch: int, sizes: Mapping[str, int]) -> bool:
        return witness.count_macs(make_inputs(session, batch, sizes)) <= PROOF_BUDGET

    seen: set[tuple[tuple[int, ...], ...]] = set()
    for batch, sizes in choice.cases or [*choose_small(session.sizes, is_cheap), (1, {})]:
        feed = make_inputs(session, batch, sizes, choice.seed)
        shapes = tuple(array.shape for array in feed.values())
        cheap = bool(sizes) or witness.count_macs(feed) <= PROOF_BUDGET
        if shapes not in seen and (choice.cases or cheap or not seen):
            seen.add(shapes)
            yield feed


def _compare(found: Mapping[str, Array], said: Statement, *, votes: Collection[str], limits: Limits) -> str:
    """How near a witness's outputs are, in words. Raises ArchspecError where they are not."""
    who, expected = said
    worst = 0.0
    for name, array in found.items():
        if expected[name].shape != array.shape:
            raise ArchspecError(f"the output '{name}' is {array.shape}, and {expected[name].shape} in {who}")
        difference = (compare_votes if name in votes else compare)(expected[name], array)
        limit = limits.flips if name in votes else limits.numbers
        if not difference <= limit:  # NaN is not either
            of = "its positions" if name in votes else "its largest value"
            raise ArchspecError(
                f"the output '{name}' differs from {who} by {difference:.3g} of {of}, at most {limit:.3g}"
            )
        worst = max(worst, difference)
    return f"{who} agrees to {worst:.1e}"
