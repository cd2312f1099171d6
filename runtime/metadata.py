"""What a caller has a model say of itself: texts by name, beside those that the export writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archspec.errors import ArchspecError, printable, tell_value

MOST_BYTES = 1 << 24
"""Of all texts together: they are read whole whenever a model is opened."""

_OWN = "name graph weights sizes precision target model content optimized int8"
WRITTEN = frozenset(f"archspec.{name}" for name in _OWN.split())
"""The names under which the export itself says what is in the file."""


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
        if name in WRITTEN:
            raise ArchspecError(f"the export writes the metadata {shown} itself: choose another name")
    size = sum(len(name) + len(text) for name, text in metadata.items())
    if size > MOST_BYTES:
        raise ArchspecError(f"the metadata have {size:,} characters; a model holds at most {MOST_BYTES:,}")
    return dict(metadata)


def _is_text(text: str) -> bool:
    """Whether a file can hold it: no NUL, no lone half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
