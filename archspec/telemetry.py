"""ONNX Runtime's telemetry, which this program turns off unless its user chose otherwise.

From 1.31 on, importing onnxruntime leaves an identifier of the machine and a queue of events in the user's cache, and
sends what sessions do to Microsoft: names of graphs and nodes, errors, the processor, the memory.
"""

from __future__ import annotations

import os
import sys

VARIABLE = "ORT_DISABLE_TELEMETRY"
YES = frozenset(("1", "true", "yes", "on", "y"))
"""What ONNX Runtime takes for yes, in either case and with spaces around it; anything else leaves its telemetry on."""


def turn_off() -> None:
    """Turn it off in this process and in those that it starts, unless VARIABLE has a value already, whatever that is.

    ONNX Runtime reads the variable when it is imported. One that was imported before has told that it was; it is asked
    to tell nothing more.
    """
    if VARIABLE in os.environ:
        return
    os.environ[VARIABLE] = "1"
    stop = getattr(sys.modules.get("onnxruntime"), "disable_telemetry_events", None)
    if stop is not None:
        stop()


def is_off() -> bool:
    """Whether an onnxruntime that is imported now tells nothing."""
    return os.environ.get(VARIABLE, "").strip().lower() in YES
