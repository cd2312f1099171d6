"""A model file in ONNX Runtime, at several sizes: it runs, its numbers are finite, and a witness agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy.typing as npt

from archspec.errors import ArchspecError
from compiler.finite import is_finite
from runtime.cases import list_shapes
from runtime.providers import NoKernelError
from runtime.session import Session
from runtime.verification.batch import check_batch
from runtime.verification.checks import Check, Choice, Status, UnansweredError
from runtime.verification.facts import ModelFacts
from runtime.verification.feeds import Feeds, check_values, make_positive
from runtime.verification.inside import ModelInside, open_runnable
from runtime.verification.nearness import Nearness
from runtime.verification.ranges import check_ranges
from runtime.verification.shapes import DeclaredShapes
from runtime.verification.ties import compare_choices
from runtime.verification.training import find_random
from runtime.verification.witness import REFERENCE, Witness, find_votes

Array = npt.NDArray[Any]


def choose_nearness(inside: ModelInside, facts: ModelFacts, choice: Choice) -> Nearness:
    """How near the outputs of a file have to be to another's."""
    return Nearness(choice.limits(facts.dtype), facts.dtype, find_votes(inside.model))


def check_runs(inside: ModelInside, facts: ModelFacts, choice: Choice) -> Iterator[Check]:
    """A check for each size, and what all of them say together of declared shapes and of the batch.

    Raises UnansweredError where no inputs can be made up, outputs are no arrays, or there is no kernel for a node.
    """
    check_values(inside)
    nearness = choose_nearness(inside, facts, choice)
    witness, declared = Witness(inside), DeclaredShapes(inside.model.graph)
    with open_runnable(inside) as path:
        try:
            session = Session(path, providers=("cpu",), settings="default", as_written=True)
        except NoKernelError as error:
            raise UnansweredError(f"{error}; the file is sound to onnx's checker, and was not run") from error
        except ArchspecError as error:
            yield Check("runs", "failed", str(error))
            return
        feeds = Feeds(inside, session, choice.seed)
        yield from check_ranges(feeds.ranges)
        sound, finite = True, True
        for feed in feeds.choose(witness, choice):
            where = list_shapes({name: array.shape for name, array in feed.items()})
            try:
                found = _run(session, feed, feeds.steering)
                declared.meet(feed, found)
                finite = finite and not _find_infinite(found)
                yield Check(where, *_judge(inside, session, feed, found, witness, nearness))
            except UnansweredError:
                raise
            except ArchspecError as error:
                sound = False
                yield Check(where, "failed", str(error))
        if declared.runs:
            yield declared.check(feeds.steering)
            feeds.positive = not finite
            if sound and not find_random(inside):
                yield check_batch(inside, session, feeds, declared, nearness, witness, choice)


def _run(session: Session, feed: Mapping[str, Array], steering: Sequence[str]) -> dict[str, Array]:
    """Raises ArchspecError where it fails; UnansweredError where that may be for what was made up."""
    try:
        return session.run(feed)
    except ArchspecError as error:
        if steering:
            what = f"'{steering[0]}' may steer sizes or places, and only zeros can be made up for it"
            raise UnansweredError(f"{session.path} was not run: {what}: {error}") from error
        raise


def _judge(
    inside: ModelInside,
    session: Session,
    feed: Mapping[str, Array],
    found: Mapping[str, Array],
    witness: Witness,
    nearness: Nearness,
) -> tuple[Status, str]:
    """Whether outputs are finite, and what a witness says of them. Where only numbers between 0 and 1 give finite ones,
    as behind a logarithm, these are looked at, and that is noted.

    Raises ArchspecError where they are not finite, or no witness agrees.
    """
    status, kind = "passed", "finite"
    problem = _find_infinite(found)
    if problem:
        feed = make_positive(feed)
        found = session.run(feed)
        if _find_infinite(found):
            raise ArchspecError(problem)
        status, kind = "noted", f"finite for inputs between 0 and 1; for standard normal ones {problem}"
    drawing = find_random(inside)
    if drawing:
        return "noted", f"{kind}; not compared, since {drawing} draws random numbers"
    heard, text = _hear(inside, found, witness, feed, nearness)
    return ("noted" if "noted" in (status, heard) else "passed"), f"{kind}; {text}"


def _find_infinite(found: Mapping[str, Array]) -> str | None:
    """Which output is not finite."""
    return next(
        (f"the output '{name}' holds infinite numbers or NaN" for name in found if not is_finite(found[name])), None
    )


def _hear(
    inside: ModelInside, found: Mapping[str, Array], witness: Witness, feed: Mapping[str, Array], nearness: Nearness
) -> tuple[Status, str]:
    """What a witness says of outputs. Where it contradicts, another is heard before the file is called wrong, and then
    whether they take others of equal scores. A witness that stands alone is noted: it may be wrong itself, or both ways
    of ONNX Runtime are.

    Raises ArchspecError where no witness agrees.
    """
    said = witness.run(feed)
    try:
        return "passed", nearness.compare(found, said)
    except ArchspecError as error:
        contradiction = error
    if said[0] == REFERENCE:
        try:
            agreed = nearness.compare(found, witness.run_plain(feed))
            return "noted", f"{agreed}; {REFERENCE} stands alone: {contradiction}"
        except ArchspecError:
            pass
    try:
        return "noted", compare_choices(inside, feed, found, nearness)
    except ArchspecError:
        raise contradiction from None
