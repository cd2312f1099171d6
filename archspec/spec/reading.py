"""The state while one document is read: the blocks that may be called, and the mistakes found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from pydantic import ValidationInfo

from archspec.errors import Diagnostic, Mistakes, Place
from archspec.spec.expressions import Expression

ArgumentType: TypeAlias = Literal["int", "float", "bool", "list", "block", "value"]
ARGUMENT_TYPES: tuple[str, ...] = get_args(ArgumentType)


@dataclass(frozen=True)
class Argument:
    """A block's declared argument; without a default it must be given."""

    type: ArgumentType
    default: Expression | Literal["none"] | None = None

    @property
    def required(self) -> bool:
        return self.default is None


@dataclass
class Reading:
    """The state while one document is read: what is known, and the mistakes found in it."""

    file: str
    signatures: dict[str, Mapping[str, Argument]] = field(default_factory=dict)
    """The declared arguments of every block that may be called."""
    bodies: frozenset[str] = frozenset()
    """The block arguments of the block that is being read: in its body they are words."""
    mistakes: list[Diagnostic] = field(default_factory=Mistakes)

    def report(self, code: str, message: str, place: Place) -> None:
        self.mistakes.append(Diagnostic(code, message, place))

    @contextmanager
    def inside(self, arguments: Mapping[str, Argument]) -> Iterator[None]:
        """Read a block's body, in which its block arguments are words."""
        outer, self.bodies = self.bodies, frozenset(n for n, a in arguments.items() if a.type == "block")
        try:
            yield
        finally:
            self.bodies = outer


def reading_of(info: ValidationInfo) -> Reading:
    """The context in which a document is validated."""
    assert isinstance(info.context, Reading)
    return info.context
