"""The scope and the step of a node: names, taps, handed bodies, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from archspec.errors import BlockCall, Place
from archspec.spec.layers import SpecNode
from compiler.graph import Node

MaybeNode: TypeAlias = Node | None
"""A value that flows between nodes; None after a mistake, so that one mistake is not reported as many."""
_NONE: Mapping[str, Any] = MappingProxyType({})


class Closure(NamedTuple):
    """A body that was handed to a block, with the scope in which it was written."""

    body: tuple[Any, ...]
    scope: Scope


class Scope(NamedTuple):
    """The names, taps and bodies that the nodes of one body see."""

    names: Mapping[str, Any]
    taps: dict[str, MaybeNode]
    bodies: Mapping[str, Closure] = _NONE
    path: str = ""
    calls: tuple[BlockCall, ...] = ()
    """The calls of blocks that led here, the innermost first."""
    depth: int = 0
    defaults: Mapping[str, Mapping[str, Any]] = _NONE
    """The defaults of the block, by kind of node; the spec's go before them."""
    fixup: list[str] | None = None
    """The ids of the layers with a kernel so far, in a body that starts as FixUp says."""
    home: str | None = None
    """The path under which weights in here are named, where they are shared; else that is `path`."""
    labels: str = ""
    """The path of the block that the body is written in, below which the labels of shared weights stand."""
    windows: Mapping[str, Any] = _NONE
    """The fields of the windows around, which every attention in them takes over."""

    def enter(self, name: str, /, **names: Any) -> Scope:
        """Make the scope one level further in, with more names."""
        more = {**self.names, **names} if names else self.names
        home = None if self.home is None else f"{self.home}.{name}"
        return self._replace(names=more, path=self.join(name), depth=self.depth + 1, home=home)

    def join(self, name: str) -> str:
        """Give the id of what is called `name` here."""
        return f"{self.path}.{name}" if self.path else name


class Step(NamedTuple):
    """One node of a body on its turn: what is written, the value that reaches it, its name, and what it sees.

    `id` is its path, which is the id of what it puts into the graph, or the scope of all that it puts; `home` that
    under which its weights are named where it shares them.
    """

    node: SpecNode
    value: MaybeNode
    name: str
    id: str
    scope: Scope
    home: str | None = None

    @property
    def calls(self) -> tuple[BlockCall, ...]:
        return self.scope.calls

    def place(self, *path: Any, key: bool = False) -> Place:
        """Give the place where the node is written, or one of its fields (with `key` the field's name)."""
        return self.node.place_of(*path, key=key) if path else self.node.place

    def enter(self) -> Scope:
        """Make the scope of the bodies inside the node."""
        inside = self.scope.enter(self.name)
        return inside if inside.home == self.home else inside._replace(home=self.home)

    def find_home(self, id: str) -> str:
        """Find under which path the weights of one of the nodes that it puts in are named, where they are shared."""
        return f"{self.home}{id[len(self.id) :]}"

    def within(self, scope: Scope) -> Step:
        """Make a step of the same node on the same value, that sees another scope."""
        return self._replace(scope=scope)
