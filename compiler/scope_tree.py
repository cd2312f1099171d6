"""The scopes that ids spell: a node `layer1.0.conv` stands in the scope `layer1.0`, and that in `layer1`.

An id may be a node's and a scope's at once. A spec refuses that, but files from elsewhere have a node `block` beside a
node `block.relu`, and one of their nodes may become several of the graph: `split` and `split.cut`. So an id in itself
says neither; only what stands in a scope is listed there, and a node is never looked up by the name of a scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

MAX_DEPTH = 100
"""The largest number of levels of scopes; names of nodes from elsewhere may have any number of points."""


@dataclass
class ScopeTree:
    """A scope by its path, "" for the whole; `items` are the scopes and the ids of the nodes that stand directly in it,
    in the order in which they begin."""

    path: str
    title: str
    items: list[ScopeItem] = field(default_factory=list)

    @cached_property
    def nodes(self) -> tuple[str, ...]:
        """The ids of all nodes in it, scope by scope."""
        return tuple(id for item in self.items for id in nodes_of(item))


ScopeItem: TypeAlias = "ScopeTree | str"


def nodes_of(item: ScopeItem) -> tuple[str, ...]:
    """List the ids of the nodes that an item of a scope stands for."""
    return (item,) if isinstance(item, str) else item.nodes


def read_scopes(ids: Iterable[str], title: str = "") -> ScopeTree:
    """Read the tree that ids spell; each id stands in it once."""
    scopes = {"": ScopeTree("", title)}

    def enter(path: str) -> ScopeTree:
        if path not in scopes:
            outer, _, name = path.rpartition(".")
            scopes[path] = ScopeTree(path, name)
            enter(outer).items.append(scopes[path])
        return scopes[path]

    for id in ids:
        enter(_find_scope(id)).items.append(id)
    return scopes[""]


def name_in_scope(id: str) -> str:
    """Give the name of a node in its scope."""
    scope = _find_scope(id)
    return id[len(scope) + 1 :] if scope else id


def scopes_around(id: str) -> Iterator[str]:
    """Give the scopes that a node stands in, the innermost first. Its own id is none of them."""
    while "." in id:
        id = id.rpartition(".")[0]
        yield id


def _find_scope(id: str) -> str:
    return ".".join(id.split(".", MAX_DEPTH)[:-1])
