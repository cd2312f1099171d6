"""Documents at random that are broken: valid ones with something done to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from archspec.spec.text import to_yaml
from tests.support.strategies import Document, as_json, specs

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 2.5, 7, 1e-5, 1e30, 10**9, 2**31, 2**63, 10**40, -(10**40)),
    *("", " ", "x", "nope", "relu", "conv", "none", "same", "1 +", "1 // 0", "2 ** 9", "in_channels", "out_channels"),
    *("9" * 100, "a" * 300, "{i}", "{x", "on", "true", "\x1b[2J", "x\ny", "é", "../x", "/", "\0", "block", "int = 1"),
    *([], {}, [[]], [{}], [None], [1, 2], ["relu"], {"relu": None}, {"body": []}, {"n": 3}, [["relu"], []]),
    *({"tap": "t"}, {"from": "t"}, {"output": "output"}, {"output": "x"}, {"conv": {"out": 3, "kernel": 2}}),
    *({"repeat": {"n": 10**9, "body": []}}, {"ext": "thing"}, {"ext": {"use": "thing", "a": "1 +"}}),
)


@st.composite
def broken(draw: DrawFn, documents: SearchStrategy[Document] | None = None) -> tuple[str, bytes]:
    """A file's name and bytes: a valid document to which one to three things were done."""
    data: Any = json.loads(json.dumps(draw(documents or specs())))
    for _ in range(draw(st.integers(1, 3))):
        data = _damage(draw, data)
    as_text, name = draw(st.sampled_from([(to_yaml, "spec.yaml"), (as_json, "spec.json")]))
    raw = as_text(data).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 3)) == 0:
        raw = _damage_bytes(draw, raw)
    return name, raw


def _damage(draw: DrawFn, data: Any) -> Any:
    parts = [data.get("network"), data.get("network"), data.get("blocks")] if isinstance(data, dict) else []
    places = list(_places(draw(st.sampled_from([*(part for part in parts if part), data]))))
    if not places:
        return _junk(draw)
    container, key = places[draw(st.integers(0, len(places) - 1))]
    junk = _junk(draw)
    deed = draw(st.sampled_from(["drop", "replace", "replace", "rename", "insert", "swap"]))
    if deed == "drop":
        del container[key]
    elif deed == "replace":
        container[key] = junk
    elif deed == "swap":
        other, place = places[draw(st.integers(0, len(places) - 1))]
        if not _holds(container[key], other) and not _holds(other[place], container):
            container[key], other[place] = other[place], container[key]
    elif isinstance(container, list):
        container.insert(key, junk)
    elif deed == "rename":
        container[draw(st.sampled_from([key + "s", key[:-1], key.upper(), key[::-1], "name", "body", "out"]))] = (
            container.pop(key)
        )
    else:
        container[
            draw(st.sampled_from(["name", "out", "bias", "n", "each", "as", "fit", "x", "extends", "import", "let"]))
        ] = junk
    return data


def _junk(draw: DrawFn) -> Any:
    return deepcopy(draw(st.sampled_from(JUNK)))


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with every key or index in it."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield data, key
        yield from _places(value)


def _holds(data: Any, part: Any) -> bool:
    return data is part or any(container is part for container, _ in _places(data))


def _damage_bytes(draw: DrawFn, raw: bytes) -> bytes:
    start = draw(st.integers(0, len(raw)))
    stop = draw(st.integers(start, min(len(raw), start + 10)))
    pieces = [
        b"",
        b"\xff",
        b"\0",
        b"[",
        b"}",
        b": ",
        b"\n",
        b"\t",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!python/name:os ",
        b"%",
        b"'",
        b'"',
        b"- ",
    ]
    return raw[:start] + draw(st.sampled_from(pieces) | st.binary(max_size=4)) + raw[stop:]
