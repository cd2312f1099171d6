"""The text of a file beside data, in UTF-8: tables and lists that people and spreadsheets write."""

from __future__ import annotations

import codecs
import os
from pathlib import Path

from archspec.errors import InputError

WIDE = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""The first bytes of a text in UTF-16, and what it is called."""


def read_text(path: Path, most: int, noun: str) -> str:
    """Read a file of at most `most` bytes as UTF-8, which a byte order mark may precede.

    Raises InputError, with the file, and with line and column where there is another byte, where it cannot be read.
    """
    try:
        if os.stat(path).st_size > most:
            raise InputError(f"{path} has more than {most:,} bytes, which is too much for a {noun}")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if content[:2] in WIDE:
        raise InputError(f"{path}:1:1: this is UTF-16 (`Unicode text` of spreadsheets): save the {noun} as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, before = error.object[error.start], error.object[: error.start].decode("utf-8", "replace")
        raise InputError(
            f"{_place(path, before)}: the byte 0x{byte:02x} is not UTF-8: save the {noun} as UTF-8"
        ) from error
    if (end := text.find("\0")) >= 0:
        raise InputError(f"{_place(path, text[:end])}: a zero byte stands in the {noun}: save it as UTF-8, not UTF-16")
    return text


def read_start(path: Path, most: int) -> str:
    """Read the first `most` bytes of a file as text, whatever its encoding: what is no ASCII may come out as another
    letter. Empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            content = file.read(most)
    except OSError:
        return ""
    if content[:2] in WIDE:
        return content[2 : len(content) & ~1].decode(WIDE[content[:2]], "replace")
    return content.replace(b"\0", b"").decode("utf-8-sig", "replace")


def _place(path: Path, before: str) -> str:
    lines = before.split("\n")
    return f"{path}:{len(lines)}:{len(lines[-1]) + 1}"
