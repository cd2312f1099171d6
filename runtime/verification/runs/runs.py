"""A model file in ONNX Runtime, at several sizes: it runs, its numbers are finite, and a witness agrees."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from archspec.arrays import Array, Arrays
from archspec.errors import ArchspecError, InputError
from archspec.extras import extra
from runtime.session.inputs import list_shapes
from runtime.session.providers import MissingProviderError
from runtime.session.request import NoKernelError
from runtime.session.session import Session
from runtime.verification.checks import Check, Status, UnansweredError
from runtime.verification.model.declared_shapes import DeclaredShapes
from runtime.verification.model.facts import ModelFacts
from runtime.verification.model.input_ranges import check_ranges
from runtime.verification.model.inside import FULL_OPERANDS, ModelInside, open_runnable
from runtime.verification.options import VerifyOptions
from runtime.verification.runs.batch_independence import check_batch
from runtime.verification.runs.feeds import REACHES, Feeds, check_values, move_into
from runtime.verification.runs.nonfinite import (
    explain_nonfinite,
    find_empty,
    find_silent,
    meet_silent,
    tell_nonfinite,
)
from runtime.verification.runs.score_ties import compare_choices
from runtime.verification.runs.value_sizes import check_extents
from runtime.verification.static.training_mode import find_random
from runtime.verification.witness.comparator import Comparator, WitnessOutputs
from runtime.verification.witness.witness import REFERENCE, Witness, find_votes

with extra("run"):
    from compiler.onnx_file.nodes import describe_node, list_nodes


def make_comparator(inside: ModelInside, facts: ModelFacts, options: VerifyOptions) -> Comparator:
    """Choose how near the outputs of a file have to be to another's."""
    return Comparator(options.limits(facts.dtype), facts.dtype, find_votes(inside.model))


def check_runs(
    inside: ModelInside, facts: ModelFacts, options: VerifyOptions, on_check: Callable[[str], None]
) -> Iterator[Check]:
    """A check for each size, and what all of them say together of declared shapes and of the batch; `on_check` hears
    which comes next.

    Raises UnansweredError where no inputs can be made up, outputs are no arrays, values inside are too large, there is
    no kernel for a node, or it cannot be told why numbers are infinite.
    """
    check_values(inside)
    check_extents(inside)
    try:
        session = open_runnable(inside, options.providers)
    except (InputError, MissingProviderError):
        raise
    except NoKernelError as error:
        raise UnansweredError(f"{error}; the file is sound to onnx's checker, and was not run") from error
    except ArchspecError as error:
        yield Check("runs", "failed", str(error))
        return
    if inside.is_run_rounded:
        yield _tell_twin(inside)
    yield from _Runs(inside, facts, session, options).check(on_check)


class _Runs:
    """The runs of one session, and what they say together: a `reach` of inputs that had to be taken, the outputs that
    were `empty` in all, and the channels that were `silent`."""

    def __init__(self, inside: ModelInside, facts: ModelFacts, session: Session, options: VerifyOptions) -> None:
        self.inside, self.session, self.options = inside, session, options
        self.comparator = make_comparator(inside, facts, options)
        self.feeds, self.witness = Feeds(inside, session, options.seed), Witness(inside)
        self.declared = DeclaredShapes(inside.model.graph)
        coarse = Comparator(options.limits("int8"), "int8", self.comparator.votes)
        self.judge = _Judge(inside, session, self.witness, self.comparator, coarse)
        self.sound = True
        self.reach: str | None = None
        self.empty = frozenset(session.outputs)
        self.silent: Arrays | None = None

    def check(self, on_check: Callable[[str], None]) -> Iterator[Check]:
        """Check each run by itself, then what they say together, then the batch."""
        yield from check_ranges(self.feeds.ranges)
        for feed in self.feeds.choose(self.witness, self.options):
            where = list_shapes({name: array.shape for name, array in feed.items()})
            on_check(where)
            yield self._check_run(where, feed)
        yield from self._check_compared()
        if not self.declared.runs:
            return
        yield self.declared.check(self.feeds.steering)
        if self.sound and not self.empty and not find_random(self.inside):
            on_check("batch")
            yield check_batch(self.feeds, self.witness, self.declared, self.comparator, self.options, self.reach)

    def _check_run(self, where: str, feed: Arrays) -> Check:
        try:
            check_extents(self.inside, feed)
            found = _run(self.session, feed, self.feeds.steering)
            self.declared.meet(feed, found)
            verdict = self.judge.judge(feed, found)
        except UnansweredError:
            raise
        except ArchspecError as error:
            self.sound = False
            return Check(where, "failed", str(error))
        self.reach, self.empty = verdict.reach or self.reach, self.empty & verdict.empty
        self.silent = verdict.silent if self.silent is None else meet_silent(self.silent, verdict.silent)
        return Check(where, verdict.status, verdict.text)

    def _check_compared(self) -> Iterator[Check]:
        """Check whether anything was compared of each output, and of each channel."""
        if self.sound and self.empty:
            text = f"no number of the output '{min(self.empty)}' is finite: nothing is proven"
            yield Check("compared", "failed", text)
        elif self.sound and self.silent:
            yield Check("compared", "noted", _describe_silent(self.silent))


def _run(session: Session, feed: Arrays, steering: Sequence[str]) -> dict[str, Array]:
    """Raises ArchspecError where it fails; UnansweredError where that may be for what was made up."""
    try:
        return session.run(feed)
    except ArchspecError as error:
        if steering:
            what = f"'{steering[0]}' may steer sizes or places, and only zeros can be made up for it"
            raise UnansweredError(f"{session.path} was not run: {what}: {error}") from error
        raise


def _tell_twin(inside: ModelInside) -> Check:
    text = (
        f"the file itself is not run, since ONNX Runtime's CPU provider has no kernels in {inside.dtype}: what the "
        f"rows say of inputs, shapes and the batch is of {inside.twin}"
    )
    return Check("twin", "noted", text)


def _describe_silent(silent: Arrays) -> str:
    name = min(silent)
    first, *others = np.flatnonzero(silent[name])
    count = silent[name].size
    if others:
        few = f"{1 + len(others):,} channels, from {first} on, of {count:,} of the output '{name}' have"
    else:
        few = f"channel {first} of {count:,} of the output '{name}' has"
    return f"{few} no finite number in any run: nothing is proven of {'them' if others else 'it'}"


@dataclass(frozen=True, slots=True)
class _Verdict:
    """The result of one row; `reach` is that of other inputs which had to be taken, of outputs that are `empty` nothing
    was compared, and channels that are `silent` are not finite for inputs of any reach."""

    status: Status
    text: str
    reach: str | None = None
    empty: frozenset[str] = frozenset()
    silent: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says of outputs whether they are right. `coarse` is how near they have to be where the runtime rounds operands to
    eight bits."""

    inside: ModelInside
    session: Session
    witness: Witness
    comparator: Comparator
    coarse: Comparator

    def judge(self, feed: Arrays, found: Arrays) -> _Verdict:
        """Judge whether outputs are finite, and what a witness says of them. Where they are not, inputs of another
        reach are looked at, and if there are none for which they are, why.

        Raises ArchspecError where they are lost to the file's type, or no witness agrees; UnansweredError where it
        cannot be told.
        """
        count = tell_nonfinite(found)
        if count is None:
            status, text = self._hear(feed, found)
            where = f" on {self.inside.twin}" if self.inside.is_run_rounded else ""
            return _Verdict(status, f"finite{where}; {text}")
        told = self._explain(count, feed)
        runs: dict[str | None, tuple[Arrays, Arrays]] = {None: (feed, found)}
        for reach in REACHES:
            other = move_into(reach, feed)
            runs[reach] = other, self.session.run(other)
            if tell_nonfinite(runs[reach][1]) is None:
                _, text = self._hear(*runs[reach])
                return _Verdict("noted", f"finite for inputs {reach}; for standard normal ones {told}; {text}", reach)
        return self._judge_rest(runs, told)

    def _judge_rest(self, runs: Mapping[str | None, tuple[Arrays, Arrays]], told: str) -> _Verdict:
        """Judge by what a witness says of the inputs that leave something finite of the most outputs."""
        reach = min(runs, key=lambda reach: len(find_empty(runs[reach][1])))
        feed, found = runs[reach]
        if reach is not None:
            told = self._explain(f"for inputs {reach} {tell_nonfinite(found)}", feed)
        _, text = self._hear(feed, found)
        empty = find_empty(found)
        rest = f"nothing of '{min(empty)}' could be compared" if empty else f"else {text}"
        silent = functools.reduce(meet_silent, (find_silent(found) for _, found in runs.values()))
        return _Verdict("noted", f"{told}; there are such at the same places, and {rest}", reach, empty, silent)

    def _explain(self, count: str, feed: Arrays) -> str:
        """Explain how many numbers are not finite for these inputs, and why. Raises ArchspecError where they are lost
        to the file's type."""
        why = explain_nonfinite(self.inside, feed)
        told = f"{count} {why.reason}"
        if why.lost:
            raise ArchspecError(told)
        return told

    def _hear(self, feed: Arrays, found: Arrays) -> tuple[Status, str]:
        """Hear what witnesses say of outputs; of random ones they can say nothing.

        Raises ArchspecError where none agrees.
        """
        drawing = find_random(self.inside)
        if drawing:
            return "noted", f"not compared, since {drawing} draws random numbers"
        said = self.witness.run(feed)
        try:
            return self._hear_all(feed, found, said)
        except ArchspecError as error:
            weights = find_small_weights(self.inside)
            if weights is None:
                raise
            contradiction = error
        full = self.inside.read(self.inside.outputs, feed)
        try:
            off = self.coarse.measure(found, ("ONNX Runtime", full))
            _, text = self._hear_all(feed, full, said)
        except ArchspecError:
            raise contradiction from None
        kept = f"where what meets {weights} is kept in float32 ({'='.join(*FULL_OPERANDS.items())})"
        return "noted", f"{text} {kept}; by itself ONNX Runtime rounds it to eight bits, and is off by {off:.1e}"

    def _hear_all(self, feed: Arrays, found: Arrays, said: WitnessOutputs) -> tuple[Status, str]:
        """Hear what a witness says of outputs. Where it contradicts, another is heard before the file is called wrong,
        and then whether they take others of equal scores. A witness that stands alone is noted: it may be wrong itself,
        or both ways of ONNX Runtime are.

        Raises ArchspecError where no witness agrees.
        """
        try:
            return "passed", self.comparator.compare(found, said)
        except ArchspecError as error:
            contradiction = error
        if said[0] == REFERENCE:
            try:
                agreed = self.comparator.compare(found, self.witness.run_plain(feed))
                return "noted", f"{agreed}; {REFERENCE} stands alone: {contradiction}"
            except ArchspecError:
                pass
        try:
            return "noted", compare_choices(self.inside, feed, found, self.comparator)
        except ArchspecError:
            raise contradiction from None


def find_small_weights(inside: ModelInside) -> str | None:
    """A node that widens integers, which ONNX Runtime may multiply by without; None where there is none."""
    return next((describe_node(node) for node in list_nodes(inside.model) if node.op_type == "DequantizeLinear"), None)
