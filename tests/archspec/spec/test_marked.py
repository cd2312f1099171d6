"""Plain data know where they stand, as deep as there is something."""

from __future__ import annotations

import pytest

from archspec.errors import Place
from archspec.spec.marked import Items, Table, place_in
from archspec.spec.text import read_bytes

TEXT = b"a:\n  - 1\n  - {b: 2, c: [3, 4]}\n"
START = Place("a.yaml", 9, 9)


@pytest.mark.parametrize(
    ("path", "key", "place"),
    [
        ((), False, (9, 9)),
        (("a",), False, (2, 3)),
        (("a",), True, (1, 1)),
        (("a", 1), False, (3, 5)),
        (("a", 1, "b"), True, (3, 6)),
        (("a", 1, "b"), False, (3, 9)),
        (("a", 1, "c", 1), False, (3, 19)),
        (("a", 1, "c", 7), False, (3, 15)),  # the deepest part that there is
        (("a", 1, "x"), True, (3, 5)),
        (("x", "b"), False, (9, 9)),
    ],
)
def test_a_path_leads_to_a_place(path: tuple[str | int, ...], key: bool, place: tuple[int, int]) -> None:
    found = place_in(read_bytes(TEXT, "a.yaml").data, path, START, key=key)
    assert (found.line, found.column) == place


def test_marked_data_are_plain_data() -> None:
    data = read_bytes(TEXT, "a.yaml").data
    assert data == {"a": [1, {"b": 2, "c": [3, 4]}]}
    assert isinstance(data, Table)
    assert isinstance(data["a"], Items)


def test_a_copy_keeps_places_and_leaves_the_first_as_it_was() -> None:
    first = read_bytes(b"a: 1\nb: 2\n", "a.yaml").data
    copy = first.copy_with(a=3, b=None)
    assert (copy, first) == ({"a": 3, "b": 2}, {"a": 1, "b": 2})
    assert copy.values_at["b"] == first.values_at["b"]
