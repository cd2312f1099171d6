"""Trained weights of a network, put under the name of a call in a larger one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archspec.errors import InputError, suggest
from archspec.wording import list_some, write_shape
from compiler.graph import Graph

MAX_LISTED = 5
"""The most names of one kind that a message shows."""


@dataclass(frozen=True)
class Graft:
    """What of some weights went under a name: the weights `taken`, by their names in the larger network; those that are
    `left`, by their own, since there is no place for them; and the weights under the name that `stay` as they were."""

    into: str
    taken: tuple[str, ...]
    left: tuple[str, ...]
    stay: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"into": self.into, "taken": list(self.taken), "left": list(self.left), "stay": list(self.stay)}


def graft(
    graph: Graph, weights: Mapping[str, Any], into: str, given: Mapping[str, Any]
) -> tuple[dict[str, Any], Graft]:
    """Put the weights of a smaller network into those of `graph`, each below the name `into`, with what became of them.

    Raises InputError where the network has no weights under that name, none of those given has its place there, or one
    has another shape.
    """
    places = {name: weight.shape for name, weight in graph.weights.items() if name.startswith(f"{into}.")}
    if not places:
        names = dict.fromkeys(name.partition(".")[0] for name in graph.weights)
        known = suggest(into, names) or f"; there are {list_some(list(names), MAX_LISTED, ', ')}"
        raise InputError(f"{graph.name} has no weights under '{into}'{known}")
    found = {f"{into}.{name}": value for name, value in given.items() if f"{into}.{name}" in places}
    if not found:
        theirs, ours = next(iter(given), "nothing"), next(iter(places))
        remedy = "of a library's own names, `archspec weights convert` makes those of a spec"
        message = f"none of the weights has its place under '{into}': they have {theirs}, and there is {ours}; {remedy}"
        raise InputError(message)
    for name, value in found.items():
        if tuple(value.shape) != places[name]:
            shapes = f"{write_shape(value.shape)}, and should be {write_shape(places[name])}"
            raise InputError(f"{name} is {shapes}: give the network the params that they were trained with")
    left = tuple(name for name in given if f"{into}.{name}" not in places)
    stay = tuple(name for name in places if name not in found)
    return {**weights, **found}, Graft(into, tuple(found), left, stay)


def check_apart(told: Graft, others: Iterable[Graft]) -> None:
    """Raise InputError where a graft takes a weight that one of the others has taken before."""
    for other in others:
        twice = [name for name in told.taken if name in {*other.taken}]
        if twice:
            raise InputError(f"{twice[0]} is given twice, under '{other.into}' and under '{told.into}': give it once")
