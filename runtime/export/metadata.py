"""What a caller has a model say of itself: texts by name, beside those that the export writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.errors import ArchspecError, printable, tell_value

MOST_CHARACTERS = 1 << 24
"""In all texts together: they are read whole whenever a model is opened."""

OWN = frozenset(["name", "graph", "weights", "sizes", "precision", "target", "content", "optimized", "int8"])
"""The keys of what the export itself says of a file, behind `archspec.`; more may follow behind a dot."""


def check_metadata(metadata: Any) -> dict[str, str]:
    """The metadata that a caller gives. Raises ArchspecError where they are not texts by name that a file can hold, or
    would say what the export itself says."""
    if not isinstance(metadata, Mapping):
        raise ArchspecError(f"metadata are texts by name, found {tell_value(metadata)}")
    for name, text in metadata.items():
        shown = printable(repr(name), 80)
        for part in (name, text):
            if not isinstance(part, str):
                raise ArchspecError(f"metadata are texts by name; of {shown} {tell_value(part)} is none")
        if not name or not all(map(_is_text, (name, text))):
            raise ArchspecError(f"metadata are texts by name; {shown} holds a NUL or half a character, or is empty")
        if is_own(name):
            raise ArchspecError(f"the export writes the metadata {shown} itself: choose another name")
    size = sum(len(name) + len(text) for name, text in metadata.items())
    if size > MOST_CHARACTERS:
        raise ArchspecError(f"the metadata have {size:,} characters; a model holds at most {MOST_CHARACTERS:,}")
    return dict(metadata)


def is_own(name: str) -> bool:
    """Whether the export itself writes metadata of this name."""
    first, _, rest = name.partition(".")
    return first == "archspec" and rest.partition(".")[0] in OWN


def _is_text(text: str) -> bool:
    """Whether a file can hold it: no NUL, no lone half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
