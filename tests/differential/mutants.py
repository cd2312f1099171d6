"""Documents that are one edit away from a sound one: some are refused, and both sides must agree on which."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from random import Random
from typing import Any

from tests.differential.documents import Spec
from tests.differential.shrink import Path, at, paths, put

BODIES = (
    "body",
    "network",
    "then",
    "else",
    "project",
    "shortcut",
    "encoder",
    "skip",
    "down",
    "bottom",
    "up",
    "decoder",
    "offset",
    "mask",
)
FIXED = ("archspec", "inputs", "params", "sizes", "description", "source", "import", "extends")


def edit(spec: Spec, random: Random) -> Spec:
    """The spec with one node left out, doubled or exchanged with the next, or one number changed by one;
    an empty network stays as it is."""
    data = {"document": spec.document, "files": spec.files}
    edits = list(find_edits(data))
    if not edits:
        return spec
    path, part = random.choice(edits)
    edited = put(data, path, part)
    return Spec(edited["document"], edited["files"])


def find_edits(data: Any) -> Iterator[tuple[Path, Any]]:
    """Every edit: where, and what stands there then."""
    for path in paths(data):
        part = at(data, path)
        if any(key in FIXED for key in path):
            continue
        if isinstance(part, list) and path[-1] in BODIES:
            for i in range(len(part)):
                yield path, [*part[:i], *part[i + 1 :]]
                yield path, [*part[:i], copy.deepcopy(part[i]), *part[i:]]
                yield path, [*part[:i], *part[i : i + 2][::-1], *part[i + 2 :]]
        if type(part) is int:
            yield path, part + 1
            yield path, part - 1
