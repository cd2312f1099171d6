"""Suggestions of what may be meant by a word that the language does not have: the same word in another spelling, a word
of another framework, or a slip of a key or two. A word that is near by its letters alone, and has another meaning, is
not named."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

from archspec.spec.foreign import field_sayings, layer_sayings, node_sayings
from archspec.spec.zoo import zoo_blocks

MAX_WORD = 40
"""The largest number of characters of a word that may be a slip of another."""


def suggest_node(word: str, known: Iterable[str]) -> str:
    """Suggest what to write instead of a node's unknown word, as the end of a message; nothing where nobody can
    know."""
    head, bracket, _ = word.partition("{")
    if bracket:
        return f"; a colon stands before the bracket: `{head.strip()}: {{…}}`"
    own = _by_spelling(known)
    blocks = {spell(block): library for block, library in zoo_blocks().items()}
    for spelled in _spell_name(word):
        if spelled not in layer_sayings():  # whose words mean the same in every library, as those of blocks do not
            if spelled in own:
                return f"; did you mean '{own[spelled]}'?"
            if spelled in blocks:
                library = blocks[spelled]
                return f"; a block of the zoo: `import: [{library}]`, and `archspec show {library}` tells more"
        if spelled in node_sayings():
            written, note = node_sayings()[spelled]
            missing = "there is no such operation, but an `ext` may bring one"
            return f"; {_join(f'here it is `{written}`', ': ', note) if written else _join(missing, '; ', note)}"
    return suggest_slip(word, own.values())


def suggest_kind(word: str, known: Iterable[str]) -> str:
    """Suggest a word that stands for a kind of node: without the fields of one."""
    own = _by_spelling(known)
    for spelled in _spell_name(word):
        if spelled in node_sayings():
            kind = node_sayings()[spelled].written.partition(":")[0]
            return f"; here it is `{kind}`" if kind in own.values() else ""
        if spelled in own:
            return f"; did you mean '{own[spelled]}'?"
    return suggest_slip(word, own.values())


def suggest_field(word: str, known: Iterable[str]) -> str:
    """Suggest what to write instead of an unknown field, as the end of a message."""
    own = _by_spelling(known)
    spelled = spell(word[:MAX_WORD])
    if spelled in own:
        return f"; did you mean '{own[spelled]}'?"
    sayings = field_sayings().get(spelled, ())
    for written, note in sayings:
        if written in own.values():
            return f"; {_join(f'here it is `{written}`', ': ', note)}"
    notes = [note for written, note in sayings if not written]
    return f"; {notes[0]}" if notes else suggest_slip(word, own.values())


def _join(said: str, mark: str, note: str) -> str:
    return f"{said}{mark}{note}" if note else said


def suggest_slip(word: str, known: Iterable[str], scope: str = "") -> str:
    """The known words of which a word may be a slip: a key or two are wrong, depending on its length. They are written
    with the path of their `scope` before them."""
    if len(word) > MAX_WORD:
        return ""
    word, small = spell(word), _by_spelling(known)
    near = get_close_matches(word, small, n=5, cutoff=0.6)
    slips = {each: count_edits(word, each) for each in near}
    fewest = min(slips.values(), default=0)
    meant = [small[each] for each, edits in slips.items() if edits == fewest and _is_slip(word, each, edits)]
    return f"; did you mean {' or '.join(repr(scope + each) for each in meant[:3])}?" if meant else ""


def _is_slip(word: str, known: str, edits: int) -> bool:
    if len(word) < 4:  # of three letters, another one makes another word
        return sorted(word) == sorted(known) or (edits == 1 and len(word) != len(known))
    return edits <= (1 if len(word) < 7 else 2)


def count_edits(a: str, b: str) -> int:
    """Count the letters to insert, delete, replace or swap with their neighbour make `b` of `a`."""
    before, row = [0] * (len(b) + 1), list(range(len(b) + 1))
    for i, letter in enumerate(a, start=1):
        above, before, row = before, row, [i] * (len(b) + 1)
        for j, other in enumerate(b, start=1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, a[i - 2]) == (b[j - 2], other):
                row[j] = min(row[j], above[j - 2] + 1)
    return row[-1]


def _by_spelling(known: Iterable[str]) -> dict[str, str]:
    return {spell(each): each for each in islice(known, 500)}


def _spell_name(word: str) -> tuple[str, str]:
    """The spelling of `nn.Conv2d(3, 16, 3)`, and the one without the number of dimensions."""
    name = spell(word.partition("(")[0].rpartition(".")[2][:MAX_WORD])
    return name, re.sub("[123]d", "", name)


def spell(word: str) -> str:
    """A word without what frameworks write differently: capitals, `_`, `-`."""
    return re.sub(r"[^a-z0-9]", "", word.lower())
