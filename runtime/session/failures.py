"""The messages of onnx and ONNX Runtime when they fail, without their codes and the places in their C++."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archspec.errors import ArchspecError, RuntimeFailure
from archspec.wording import cut

MAX_REASON = 500
"""The largest number of characters of a reason: a message has room for it beside the file's name."""

_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")
_LEAD = re.compile(r"^(Load model from .*? failed: ?|Error in execution: |Exception during initialization: )+")
_PLACE = re.compile(r"(?<!\S)((?:[A-Za-z]:)?[\\/]\S+|\w+)\.(?:cc|cpp|cu|cuh|h|hpp|inc):\d+ ")
"""A place in C++: with a path, which a function's whole signature follows, or without, which its name follows."""

_SIGNATURE_END = re.compile(r"(?: const| noexcept| mutable)*(?:::<lambda\([^()]*\)>)?(?: \[with [^]]*\])? ?")


@contextmanager
def telling(path: str | Path) -> Iterator[None]:
    """Raise whatever ONNX Runtime raises as an ArchspecError that names the model's file."""
    try:
        yield
    except ArchspecError:
        raise
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise RuntimeFailure(f"{path}: ONNX Runtime failed: {shorten(error)}") from error


def shorten(error: BaseException) -> str:
    """Write the reason that an error of onnx or ONNX Runtime gives, as one line of at most MAX_REASON characters."""
    text = _LEAD.sub("", _CODE.sub("", " ".join(str(error).split())))
    while place := _PLACE.search(text):
        has_path = bool(re.search(r"[\\/]", place[1]))
        end = _skip_signature(text, place.end()) if has_path else _skip_word(text, place.end())
        text = text[: place.start()] + text[end:]
    return cut(text, MAX_REASON)


def _skip_word(text: str, start: int) -> int:
    return text.find(" ", start) + 1 or start


def _skip_signature(text: str, start: int) -> int:
    """Find where the text goes on behind `void f(int, g<(x)>) const [with T = int] `; where none begins, `start`."""
    end = text.find("(", start)
    while text.startswith("(", end):  # `operator()(int)` has two pairs
        end = _skip_parentheses(text, end)
    found = _SIGNATURE_END.match(text, end) if end > 0 else None
    return found.end() if found else start


def _skip_parentheses(text: str, start: int) -> int:
    """The place behind the pair that opens at `start`; -1 where nothing closes it."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    return -1
