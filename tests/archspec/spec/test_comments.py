"""Comments that speak to the program: which are, where they start, what they are about."""

from __future__ import annotations

import pytest

from archspec.spec.text import read_bytes


def find(text: str, name: str = "f.yaml") -> list[tuple[str, int, int, int | None]]:
    comments = read_bytes(text.encode(), name).comments
    return [(comment.words, comment.place.line, comment.place.column, comment.line) for comment in comments]


def test_each_is_about_its_line_the_next_or_the_file() -> None:
    text = "# archspec: all\na: 1  # archspec: here\n# archspec: next\n\n# and why\nb: 2\n# archspec: last\n"
    assert find(text) == [("all", 1, 1, None), ("here", 2, 7, 2), ("next", 3, 1, 6), ("last", 7, 1, 7)]


def test_the_document_starts_where_its_data_does() -> None:
    assert find("%YAML 1.2\n---\n# archspec: all\na: 1\n") == [("all", 3, 1, None)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(end: str) -> None:
    assert find(f"a: é{end}b: 1 # archspec: x{end}") == [("x", 2, 6, 2)]


@pytest.mark.parametrize(
    "text", ["#archspec:x", "#  archspec:  x", "\t# archspec: x", "# archspec: x  # y", "# archspec: x \t"]
)
def test_spaces_do_not_matter(text: str) -> None:
    assert [words for words, *_ in find(f"a: 1 {text}\n")] == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "a: '# archspec: x'",
        'a: "\\u0023 # archspec: x"',
        "a: 'b\n  # archspec: x\n  c'",
        "a: |\n  # archspec: x\n  c",
        "a: >-\n\n  b # archspec: x\nb: 1",
        "a: b#archspec:x",
        "'a # archspec: x': 1",
        "a: 1 # see archspec: x",
        "a: 1 # archspec x",
    ],
)
def test_others_are_not_found(text: str) -> None:
    assert find(text + "\n") == []


def test_a_comment_behind_a_string_with_one_inside() -> None:
    assert find("a: '# archspec: no' # archspec: x\n") == [("x", 1, 21, 1)]


def test_in_json_there_are_none() -> None:
    assert find('{"a": "# archspec: x"}', "f.json") == []
