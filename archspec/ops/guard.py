"""A guard around the methods of operations that callers bring: what one raises, or gives back that nothing can be
computed with, is told by class, method and line."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

from archspec.errors import ArchspecError
from archspec.ops.values import OpError, Shape, Weight

OWN = ("archspec.", "compiler.")
"""The packages whose operations are tested here, and pay for no guard."""

COUNTS = frozenset(("macs", "products", "bias_adds", "elementwise"))
LOWERINGS = frozenset(("torch_module", "onnx_nodes"))


class ExtensionError(OpError, ArchspecError):
    """An operation that a caller brought fails, or gives what no operation may give."""

    code = "extension"


def is_extension(op: type) -> bool:
    """True if a class of operations is a caller's own."""
    return not op.__module__.startswith(OWN)


def guard_methods(op: type, known: type) -> None:
    """Put the guard around those methods of a class that operations are asked by; `known` is the class of them all."""
    if not is_extension(op):
        return
    for name, found in list(vars(op).items()):
        if name not in LOWERINGS and (name.startswith("_") or not hasattr(known, name)):
            continue
        if isinstance(found, FunctionType):
            setattr(op, name, _guard(op, name, found))
        elif isinstance(found, property) and found.fget is not None:
            setattr(op, name, property(_guard(op, name, found.fget), doc=found.__doc__))


def _guard(op: type, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            result = method(*args, **kwargs)
        except (ArchspecError, OpError):
            raise
        except Exception as error:  # whatever the caller's own code raises is what is wrong with it
            raise ExtensionError(_tell(op, name, method, error)) from error
        wrong = _find_wrong(name, result)
        if wrong:
            raise ExtensionError(f"the extension {op.__name__} fails: its `{name}` should give {wrong}")
        return _guard(op, name, result) if name == "torch_module" and isinstance(result, FunctionType) else result

    return guarded


def _tell(op: type, name: str, method: Callable[..., Any], error: Exception) -> str:
    """Tell what was raised, and the last line of the caller's own file that led there."""
    own = method.__code__.co_filename if isinstance(method, FunctionType) else ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
    place = f" at {own}:{lines[-1]}" if lines else ""
    return f"the extension {op.__name__} fails: `{name}`{place} raises {type(error).__name__}: {error}"


def _find_wrong(name: str, result: Any) -> str | None:
    """Say what a method should give, and what it does; None where it gives that."""
    if name == "infer" and not (isinstance(result, Shape) and result and all(_is_count(n) and n for n in result)):
        return f"a Shape of whole numbers from 1, found {_show(result)}"
    if name in COUNTS and not _is_count(result):
        return f"a whole number from 0, found {_show(result)}"
    if name == "weights" and not (
        isinstance(result, Mapping)
        and all(isinstance(key, str) and isinstance(item, Weight) for key, item in result.items())
    ):
        return f"a Weight for each short name, found {_show(result)}"
    return None


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _show(value: Any) -> str:
    text = str(tuple(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
