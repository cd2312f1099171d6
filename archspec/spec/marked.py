"""Plain data that know where they stand in their text."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from archspec.errors import Diagnostic, Place
from archspec.spec.comments import Comment


class Table(dict[str, Any]):
    """A mapping that knows where it, its keys and its values stand."""

    def __init__(self, at: Place) -> None:
        super().__init__()
        self.at = at
        self.keys_at: dict[str, Place] = {}
        self.values_at: dict[str, Place] = {}

    def copy_with(self, **values: Any) -> Table:
        """A copy with other values of some keys; an empty one is left out."""
        copy = Table(self.at)
        copy.update(self | {key: value for key, value in values.items() if value})
        copy.keys_at, copy.values_at = {**self.keys_at}, {**self.values_at}
        return copy

    def take(self, key: str, other: Table) -> None:
        """Take the value of a key from another mapping, with the places where it stands there."""
        self[key], self.keys_at[key], self.values_at[key] = other[key], other.keys_at[key], other.values_at[key]


class Items(list[Any]):
    """A sequence that knows where it and its items stand."""

    def __init__(self, at: Place) -> None:
        super().__init__()
        self.at = at
        self.items_at: list[Place] = []


class Written(Protocol):
    """What was written in a document, and knows where its parts stand there: a node, a block, a network."""

    def place_of(self, *path: Any, key: bool = False) -> Place:
        """The place of a part (with `key`, of its name); without a path, its own."""
        ...


class Marked(NamedTuple):
    """A document's data, the mistakes beside which it could still be read, and the comments that speak to this
    program."""

    data: Any
    mistakes: tuple[Diagnostic, ...]
    comments: tuple[Comment, ...] = ()


def place_in(data: Any, path: tuple[Any, ...], start: Place, *, key: bool = False) -> Place:
    """The place of the value (or with `key`, of its key) at the end of `path`, or of the deepest part that exists."""
    place = start
    for depth, step in enumerate(path):
        if isinstance(data, Table) and step in data.values_at:
            place = (data.keys_at if key and depth == len(path) - 1 else data.values_at)[step]
        elif isinstance(data, Items) and isinstance(step, int) and step < len(data.items_at):
            place = data.items_at[step]
        else:
            break
        data = data[step]
    return place
