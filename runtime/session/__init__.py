"""A model file that runs: `from runtime.session import Session`.

`Session` is loaded when it is first used, so that the modules beside it can be imported where ONNX Runtime is missing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runtime.session.session import Session

__all__ = ["Session"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'runtime.session' has no attribute '{name}'")
    return getattr(import_module("runtime.session.session"), name)
