"""A smaller document that still fails: parts of it are left out as long as the failure stays."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[Any, ...]


def shrink(data: Any, fails: Callable[[Any], bool], most: int = 2000) -> Any:
    """The smallest form that was found within `most` trials. `fails` must take any document, sound or not."""
    tried = 0
    while True:
        for smaller in smaller_forms(data):
            tried += 1
            if tried > most:
                return data
            if fails(smaller):
                data = smaller
                break
        else:
            return data


def smaller_forms(data: Any) -> Iterator[Any]:
    """The data without one part, or with a simpler part, the largest steps first."""
    for path in sorted(paths(data), key=len):
        part = at(data, path)
        if path:
            yield without(data, path)
        for simpler in simpler_parts(part):
            yield put(data, path, simpler)


def simpler_parts(part: Any) -> Iterator[Any]:
    """What may stand in a part's place: a body of it instead of a node, a smaller number."""
    if isinstance(part, list):
        yield from ([*part[:i], *inner, *part[i + 1 :]] for i, node in enumerate(part) for inner in inner_bodies(node))
    if type(part) is int and part > 1:
        yield from {1, part // 2, part - 1}
    if isinstance(part, dict) and len(part) == 1:
        ((word, fields),) = part.items()
        if isinstance(fields, dict) and not fields:
            yield word


def inner_bodies(node: Any) -> Iterator[list[Any]]:
    """The bodies that a node holds."""
    if not isinstance(node, dict):
        return
    for fields in node.values():
        bodies = fields.values() if isinstance(fields, dict) else fields if isinstance(fields, list) else ()
        yield from (body for body in bodies if isinstance(body, list))


def paths(data: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(data, dict | list):
        keys = data if isinstance(data, dict) else range(len(data))
        for key in keys:
            yield from paths(data[key], (*path, key))


def at(data: Any, path: Path) -> Any:
    for key in path:
        data = data[key]
    return data


def without(data: Any, path: Path) -> Any:
    data = copy.deepcopy(data)
    del at(data, path[:-1])[path[-1]]
    return data


def put(data: Any, path: Path, part: Any) -> Any:
    if not path:
        return part
    data = copy.deepcopy(data)
    at(data, path[:-1])[path[-1]] = copy.deepcopy(part)
    return data
