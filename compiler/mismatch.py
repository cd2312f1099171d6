"""Why stored weights do not fit a graph, and what may have happened to them."""

from __future__ import annotations

from collections.abc import Mapping

from archspec.errors import list_some, suggest

LISTED = 5
"""Names that a message shows."""

Extents = Mapping[str, tuple[int, ...]]
"""Shapes by the names of weights."""


def list_mismatches(expected: Extents, found: Extents) -> str:
    """The names and shapes that differ, a few of them in words; empty where all fit."""
    absent = [name for name in expected if name not in found]
    problems = [f"{name} is missing" for name in absent]
    problems += [f"{name} is of no layer{suggest(name, absent)}" for name in found if name not in expected]
    problems += [f"{name} should be {shape}, found {found[name]}" for name, shape in _differing(expected, found)]
    return list_some(problems, LISTED)


def advise_mismatch(expected: Extents, found: Extents) -> str:
    """What to do about it, as far as the names and shapes tell."""
    prefix = next(iter(found), "").partition(".")[0] + "."
    if found and all(name.startswith(prefix) and name.removeprefix(prefix) in expected for name in found):
        return f"; all names begin with '{prefix}': `archspec weights convert` takes it away"
    if found and not expected.keys() & found.keys():
        return "; no name is the network's: `archspec weights convert` takes the names of others over"
    if any(_differing(expected, found)):
        return "; were they trained with other params? `--set` says them, and a run's spec.yaml has them"
    return ""


def _differing(expected: Extents, found: Extents) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, shape) for name, shape in expected.items() if name in found and found[name] != shape]
