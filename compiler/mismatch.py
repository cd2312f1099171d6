"""Reasons why stored weights do not fit a graph, and what may have happened to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from archspec.errors import suggest
from archspec.wording import list_some

MAX_LISTED = 5
"""The largest number of names that a message shows."""

MAX_WRAPPERS = 8
"""The largest number of modules around a network, each of which puts its name before those of all weights."""

WeightShapes = Mapping[str, tuple[int, ...]]
"""Shapes by the names of weights."""


def list_mismatches(expected: WeightShapes, found: WeightShapes) -> str:
    """List the names and shapes that differ, a few of them in words; empty where all fit."""
    absent = [name for name in expected if name not in found]
    problems = [f"{name} is missing" for name in absent]
    problems += [f"{name} is of no layer{suggest(name, absent)}" for name in found if name not in expected]
    problems += [f"{name} should be {shape}, found {found[name]}" for name, shape in _differing(expected, found)]
    return list_some(problems, MAX_LISTED)


def list_prefixes(names: Collection[str]) -> list[str]:
    """List what may be taken away before all names: nothing, and the whole parts that all begin with, the least first.

    >>> list_prefixes(["module.net.conv.weight", "module.net.bias"])
    ['', 'module.', 'module.net.']
    """
    prefixes, first = [""], next(iter(names), "")
    for part in first.split(".")[:-1][:MAX_WRAPPERS]:
        prefix = f"{prefixes[-1]}{part}."
        if not all(name.startswith(prefix) and name != prefix for name in names):
            break
        prefixes.append(prefix)
    return prefixes


def advise_mismatch(expected: WeightShapes, found: WeightShapes, convert: str = "archspec weights convert") -> str:
    """Advise what to do about it, as far as the names and shapes tell; `convert` is the command that gives names of
    others those of the network."""
    for prefix in list_prefixes(found)[1:]:
        if all(name.removeprefix(prefix) in expected for name in found):
            return f"; all names begin with '{prefix}': `{convert}` takes it away"
    if found and not expected.keys() & found.keys():
        return f"; no name is the network's: `{convert}` takes the names of others over"
    if any(_differing(expected, found)):
        return "; were they trained with other params? `--set` says them, and a run's spec.yaml has them"
    return ""


def _differing(expected: WeightShapes, found: WeightShapes) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, shape) for name, shape in expected.items() if name in found and found[name] != shape]
