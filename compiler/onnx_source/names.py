"""Ids of nodes: readable, and of bounded length."""

from __future__ import annotations

from archspec.wording import cut

MAX_ID_LETTERS = 160
"""The largest number of letters in an id, before the number of one that was taken."""


class Names:
    """A set of ids that are handed out: readable, of bounded length, and none twice."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def claim(self, name: str) -> str:
        """Claim the name, with a number where another has it."""
        plain = "".join(c if c.isprintable() and c != " " else "_" for c in name[: MAX_ID_LETTERS + 1])
        readable = cut(plain, MAX_ID_LETTERS) or "_"
        candidate = readable
        while candidate in self._taken:
            self._taken[readable] += 1
            candidate = f"{readable}_{self._taken[readable]}"
        self._taken[candidate] = 0
        return candidate
