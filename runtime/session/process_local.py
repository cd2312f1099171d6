"""An ONNX Runtime session of one process: where that is forked, it stays behind, and the child opens its own.

Its threads are the parent's. In a child it still runs, most of the time; but it waits for ever where one of its threads
was at work during the fork, and where it is destroyed, for threads that are not there.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from threading import RLock
from typing import Any
from weakref import WeakSet


class ProcessLocal:
    """An onnxruntime.InferenceSession of this process, or of the one that it was forked off from. `lock` is for who
    needs it alone."""

    def __init__(self, session: Any) -> None:
        self.lock = RLock()
        self._session = session
        _EVERY.add(self)
        _SESSIONS.add(session)

    def get(self, reopen: Callable[[], Any]) -> Any:
        """Give the session, which in a process that was forked off is what `reopen` gives, once."""
        if self._session is None:
            with self.lock:
                if self._session is None:
                    self._session = reopen()
                    _SESSIONS.add(self._session)
        return self._session

    def leave_behind(self) -> None:
        """Hold no session and no lock of the parent's any more: called in the child."""
        self._session = None
        self.lock = RLock()


_EVERY: WeakSet[ProcessLocal] = WeakSet()
_SESSIONS: WeakSet[Any] = WeakSet()
"""The sessions of onnxruntime, which a binding may hold for longer than anything else does."""


def _leave_all_behind() -> None:
    for session in list(_SESSIONS):  # never to be destroyed here, where its threads are not
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))
    _SESSIONS.clear()
    for local in list(_EVERY):
        local.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_behind)
