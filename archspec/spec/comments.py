"""Comments in a spec that speak to this program: `# archspec: WORDS`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from archspec.errors import Place

BREAK = re.compile(r"\r\n|[\n\r]")
_COMMENT = re.compile(r"(?<![^ \t\r\n])#[ \t]*archspec:[ \t]*([^#\r\n]*)")


class Comment(NamedTuple):
    """A comment: what it says, and where it starts.

    It is about a `line`: its own, or where it stands alone the next one that holds more than a comment. One that stands
    before the document's data is about the whole file, and has None.
    """

    words: str
    place: Place
    line: int | None


def find_comments(text: str, name: str, strings: Sequence[tuple[int, int]], first: int) -> tuple[Comment, ...]:
    """The comments of a document that messages call `name`, in order.

    `strings` are the places in the text, in order, of the scalars that hold a `#`, which starts no comment; `first` is
    the line on which the document's data starts.
    """
    found = [match for match in _COMMENT.finditer(text) if not _lies_inside(match.start(), strings)]
    if not found:
        return ()
    starts = [0, *(match.end() for match in BREAK.finditer(text))]
    after = _lines_after(BREAK.split(text))
    comments = []
    for match in found:
        line = bisect_right(starts, match.start())
        start = starts[line - 1]
        alone = not text[start : match.start()].strip()
        about = after[line - 1] if alone else line
        place = Place(name, line, match.start() - start + 1)
        comments.append(Comment(match[1].strip(), place, None if line < first else about))
    return tuple(comments)


def _lies_inside(position: int, strings: Sequence[tuple[int, int]]) -> bool:
    before = bisect_right(strings, position, key=lambda span: span[0])
    return before > 0 and position < strings[before - 1][1]


def _lines_after(lines: Sequence[str]) -> list[int]:
    """Find for each line the number of the next one that holds more than a comment, or its own where there is none."""
    after, following = [], 0
    for number, line in zip(range(len(lines), 0, -1), reversed(lines), strict=True):
        after.append(following or number)
        following = number if line.strip() and not line.lstrip().startswith("#") else following
    return after[::-1]
