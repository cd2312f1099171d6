"""A model file in ONNX Runtime, at several sizes: it runs, its numbers are finite, and a witness agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from archspec.errors import ArchspecError
from compiler.finite import is_finite
from runtime.cases import list_shapes
from runtime.session import Session
from runtime.verification.batch import check_batch
from runtime.verification.checks import Check, Choice, Status
from runtime.verification.facts import ModelFacts
from runtime.verification.feeds import Feeds, check_inputs
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

    Raises ArchspecError where no inputs can be made up.
    """
    check_inputs(inside)
    nearness = choose_nearness(inside, facts, choice)
    witness, declared, drawing = Witness(inside), DeclaredShapes(inside.model.graph), find_random(inside)
    with open_runnable(inside) as path:
        try:
            session = Session(path, providers=("cpu",), settings="default", as_written=True)
        except ArchspecError as error:
            yield Check("runs", "failed", str(error))
            return
        feeds = Feeds(inside, session, choice.seed)
        yield from check_ranges(feeds.ranges)
        sound = True
        for feed in feeds.choose(witness, choice):
            where = list_shapes({name: array.shape for name, array in feed.items()})
            try:
                found = session.run(feed)
                declared.meet(feed, found)
                _check_finite(found)
                if drawing:
                    yield Check(where, "noted", f"finite; not compared, since {drawing} draws random numbers")
                else:
                    yield Check(where, *_hear(inside, found, witness, feed, nearness))
            except ArchspecError as error:
                sound = False
                yield Check(where, "failed", str(error))
        if declared.runs:
            yield declared.check()
            if sound and not drawing:
                yield check_batch(inside, session, feeds, declared, nearness, witness, choice)


def _check_finite(found: Mapping[str, Array]) -> None:
    """Raises ArchspecError where an output is not finite."""
    for name, array in found.items():
        if not is_finite(array):
            raise ArchspecError(f"the output '{name}' holds infinite numbers or NaN")


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
        return "passed", f"finite; {nearness.compare(found, said)}"
    except ArchspecError as error:
        contradiction = error
    if said[0] == REFERENCE:
        try:
            agreed = nearness.compare(found, witness.run_plain(feed))
            return "noted", f"finite; {agreed}; {REFERENCE} stands alone: {contradiction}"
        except ArchspecError:
            pass
    try:
        return "noted", f"finite; {compare_choices(inside, feed, found, nearness)}"
    except ArchspecError:
        raise contradiction from None
