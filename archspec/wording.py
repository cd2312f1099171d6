"""The one way in which numbers, shapes and texts are written: a number is exact, or says that digits are missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MAX_DIGITS = 45
"""The largest number of digits of a count that is written in full: with its commas, 59 letters of a line."""
MAX_APPROXIMATED_DIGITS = 15
"""The largest number of digits that a count has in full where only a few fit, as on a card or in a picture."""
MAX_MESSAGE = 600
"""The largest number of letters of a message. Words of a spec stand in it, and may be of any length."""
AXES = {2: "height × width", 3: "depth × height × width"}
"""The axes of a picture's extents and of a volume's, in their order."""


def write_count(number: int) -> str:
    """Write all digits of a whole number, `25,557,032`, where a line holds them; else as `approximate` does."""
    return f"{number:,}" if abs(number) < 10**MAX_DIGITS else approximate(number)


def approximate(number: int) -> str:
    """Write a whole number in little room: in full, as a power of two, or by its first digits and its order of
    magnitude, `1.749… · 10^100`. These digits are the number's own, never rounded; counts of paths may have thousands
    of them."""
    size = abs(number)
    if size < 10**MAX_APPROXIMATED_DIGITS:
        return f"{number:,}"
    sign = "-" if number < 0 else ""
    if size & (size - 1) == 0:
        return f"{sign}2^{size.bit_length() - 1}"
    power = (size.bit_length() - 1) * 30102999566 // 10**11  # log10(2) from below; and then up to the digit
    while 10 ** (power + 1) <= size:
        power += 1
    first = size // 10 ** (power - 3)
    return f"{sign}{first // 1000}.{first % 1000:03}… · 10^{power}"


def shorten_count(number: float) -> str:
    """Write three digits and a unit, rounded: `25.6 M`."""
    for unit, size in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.{2 if number < 10 * size else 1 if number < 100 * size else 0}f} {unit}"
    return f"{number:g}"


def shorten_bytes(number: float) -> str:
    """Write three digits and a unit of bytes, rounded: `1.38 kB`, `384 B`."""
    text = shorten_count(number)
    return f"{text}B" if text[-1].isalpha() else f"{text} B"


def write_shape(extents: Iterable[object], nothing: str = "") -> str:
    """Write `64×56×56`, or `nothing` where there is no extent."""
    return "×".join(map(str, extents)) or nothing


def write_size(extents: Sequence[object]) -> str:
    """Write `32×30 (height × width)`: the extents of a picture or a volume, with the names of their axes. A message of
    several sizes names them once."""
    named = AXES.get(len(extents))
    return f"{write_shape(extents)} ({named})" if named else write_shape(extents)


def tell_count(number: int, noun: str, plural: str = "") -> str:
    """Tell a count: `1 image`, `2 images`, or with the plural that a noun has, `2 boxes`."""
    return f"{write_count(number)} {noun if number == 1 else plural or f'{noun}s'}"


def list_some(items: Sequence[object], most: int = 3, separator: str = "; ") -> str:
    """List the first of them, and how many there are more."""
    more = [f"and {len(items) - most} more"] if len(items) > most else []
    return separator.join([*map(str, items[:most]), *more])


def cut(text: str, width: int) -> str:
    """Cut a text to one line of at most `width` letters without control characters; where the end is missing, `…`
    stands for it."""
    text = escape_controls(text[: width + 1])
    return text if len(text) <= width else f"{text[: width - 1]}…"


def cut_middle(text: str, width: int = MAX_MESSAGE) -> str:
    """Shorten a text as `cut` does, but leave out its middle: the end of a message says what to do."""
    text = escape_controls(text if len(text) <= 2 * width else text[:width] + text[-width:])
    half = (width - 3) // 2
    return text if len(text) <= width else f"{text[:half]} … {text[-half:]}"


def escape_controls(text: str) -> str:
    """The text with control characters as `\\x1b`, so that it moves no cursor and changes no colour."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
