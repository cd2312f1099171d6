"""Mistakes and errors: a place, a diagnostic, and the exceptions that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from archspec.wording import cut_middle

MAX_MISTAKES = 100
"""The largest number of mistakes that are reported; at that many the search ends."""


class Place(NamedTuple):
    """A position in a text file; line and column count from one. Without a line: a file as a whole, or an option."""

    file: str
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def to_dict(self) -> dict[str, object]:
        line, column = (self.line, self.column) if self.line else (None, None)
        return {"file": self.file or None, "line": line, "column": column}


NOWHERE = Place("")


@dataclass(frozen=True, slots=True)
class BlockCall:
    """A block call that leads to a mistake: `bottleneck(width=64)` and where it stands."""

    text: str
    place: Place
    path: str = field(default="", compare=False)
    """The scope in which the nodes stand that the call made."""

    def to_dict(self) -> dict[str, object]:
        return {"text": self.text, **self.place.to_dict()}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake: a stable code, what is wrong, where, and the block calls that led there, innermost first.

    >>> (mistake,) = archspec.check("resnet_digits", params={"depth": [1]})
    >>> mistake.code, mistake.message
    ('unknown-param', "the spec has no `depth` in params; did you mean 'depths'?")
    """

    code: str
    message: str
    place: Place
    calls: tuple[BlockCall, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", cut_middle(self.message))

    def __str__(self) -> str:
        return f"{self.place}: error[{self.code}]: {self.message}{tell_calls(self.calls)}"

    def to_dict(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            **self.place.to_dict(),
            "calls": [call.to_dict() for call in self.calls],
        }


def tell_calls(calls: Sequence[BlockCall]) -> str:
    """The block calls that led to a place, a line for each."""
    trail = [f"\n    in {call.text}, called at {call.place}" for call in calls]
    if len(trail) > 10:
        trail[5:-4] = [f"\n    … {len(trail) - 9} more calls …"]
    return "".join(trail)


class ArchspecError(Exception):
    """Anything that the user can put right; its text is a complete message, and a command prints it and exits 2.

    It is raised as such by what reads a value that a caller may have given or a file may say, for whoever knows which
    of them it was (`raising`); and where nothing given is at fault, but two computations that should agree do not.

    >>> try:
    ...     archspec.to_onnx(archspec.load("residual_mlp"), {}, "model.onnx")
    ... except archspec.ArchspecError as error:
    ...     print(error)
    to_onnx: `graph` is a graph, found a value of type Spec; archspec.elaborate(spec) makes one of it
    """

    code = "failed"

    def to_dicts(self) -> list[dict[str, object]]:
        """Give what is wrong as data, each entry with the keys of a diagnostic."""
        return [{"code": self.code, "message": cut_middle(str(self)), **NOWHERE.to_dict(), "calls": []}]


class InputError(ArchspecError):
    """An error in what the caller gave: an array's type, shape, name or size, an option, a file of data, a network that
    does not go with these, or a place where nothing can be written.

    >>> try:
    ...     archspec.Session(b"model.onnx")
    ... except archspec.InputError as error:
    ...     print(error)
    a model is named by a string or a Path, found a value of type bytes
    """


class ModelError(ArchspecError):
    """A model's file, or one that belongs to it, is missing, malformed, or not what it says it is.

    >>> try:
    ...     archspec.Session("missing.onnx")
    ... except archspec.ModelError as error:
    ...     print(error)
    missing.onnx does not exist
    """


class RuntimeFailure(ArchspecError):  # noqa: N818  (RuntimeError is Python's own)
    """ONNX Runtime failed: it has no such provider or kernel, memory ran out, or it refused what it was given.

    >>> from runtime.session.failures import telling
    >>> with telling("model.onnx"):
    ...     raise MemoryError("cannot allocate 16 GiB")
    Traceback (most recent call last):
    archspec.errors.RuntimeFailure: model.onnx: ONNX Runtime failed: cannot allocate 16 GiB
    """


@contextmanager
def raising(kind: type[ArchspecError]) -> Iterator[None]:
    """Raise an ArchspecError that is of no kind of its own as one of `kind`, with the same words.

    >>> with raising(InputError):
    ...     raise ArchspecError("there are 3 axes")
    Traceback (most recent call last):
    archspec.errors.InputError: there are 3 axes
    """
    try:
        yield
    except ArchspecError as error:
        if type(error) is not ArchspecError:
            raise
        raise kind(*error.args) from error.__cause__ or error


class SpecError(ArchspecError):
    """One or more mistakes in a spec, in the order of their places.

    >>> try:
    ...     archspec.load("residual_mlb")
    ... except archspec.SpecError as error:
    ...     print(error)
    residual_mlb: error[unknown-spec]: there is no file and no zoo spec of this name; did you mean 'residual_mlp'?
    """

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        # The same mistake met twice (a block called twice) is one mistake.
        unique = {(item.code, item.message, item.place): item for item in reversed(list(diagnostics))}
        self.diagnostics = tuple(sorted(unique.values(), key=lambda item: item.place))
        super().__init__("\n".join(map(str, self.diagnostics)))

    def to_dicts(self) -> list[dict[str, object]]:
        return [item.to_dict() for item in self.diagnostics]


class Mistakes(list[Diagnostic]):
    """The mistakes found so far. At the hundredth the search ends: SpecError."""

    def append(self, mistake: Diagnostic) -> None:
        super().append(mistake)
        if len(self) >= MAX_MISTAKES:
            raise SpecError(self)

    def extend(self, mistakes: Iterable[Diagnostic]) -> None:
        for mistake in mistakes:
            self.append(mistake)


class MissingExtra(ArchspecError, ImportError):  # noqa: N818  (it names what is missing)
    """A part of the program that is installed by an extra which is not there.

    >>> print(archspec.MissingExtra("torch", "train"))
    torch is not installed; run: pip install 'archspec-compiler[train]'
    """

    code = "missing-extra"

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; run: pip install 'archspec-compiler[{extra}]'")


def suggest(word: str, known: Iterable[str]) -> str:
    """Suggest `; did you mean 'max_pool'?` where a known word is near, else nothing."""
    from difflib import get_close_matches  # only mistakes need it

    small = {each.lower(): each for each in islice(known, 500)}
    near = get_close_matches(word[:100].lower(), small, n=1, cutoff=0.6)
    return f"; did you mean '{small[near[0]]}'?" if near else ""


def tell_value(value: object) -> str:
    """Write what a caller gave, for a message: a short text or a number itself, of anything else its type."""
    if isinstance(value, str):
        return f"'{cut_middle(value, 58)}'"  # repr would double backslashes, and what cut_middle escapes
    return cut_middle(repr(value), 60) if isinstance(value, int | float) else f"a value of type {type(value).__name__}"
