"""The end of a training by signals: the step that is under way is finished and what was learned is saved."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from types import FrameType, TracebackType
from typing import Any

from archspec.last_resort import patient
from archspec.signals import ENDINGS

ASKING = (signal.SIGINT, *ENDINGS)
"""The signals that ask a training to end."""

TOLD = "the step is finished and saved first; the same again ends at once"
"""The line that tells at once that a signal was heard."""


class Interruption:
    """A context manager in which a first signal that would end the process is only noted, so that a loop can end at a
    good place, and a second one does what it does otherwise. A program's own handlers, of SIGTERM say, are left alone,
    and so are other threads than the first, which get no signals.

    `end` raises what the noted signal would have raised.
    """

    def __init__(self) -> None:
        self.came: int | None = None
        self._handlers: dict[int, Any] = {}
        self._patience = ExitStack()

    @property
    def wanted(self) -> bool:
        """True once a signal has come."""
        return self.came is not None

    @property
    def name(self) -> str:
        """The name of the signal that came."""
        return signal.Signals(self.came).name if self.came else ""

    def end(self) -> None:
        """End as the signal asks: KeyboardInterrupt of SIGINT, SystemExit of the others, with the shell's exit code."""
        if self.came == signal.SIGINT:
            raise KeyboardInterrupt
        if self.came:
            raise SystemExit(128 + self.came)

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in ASKING:
                handler = signal.getsignal(number)
                if _is_replaceable(handler):
                    self._handlers[number] = handler
                    signal.signal(number, self._note)
        self._patience.enter_context(patient(TOLD))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patience.close()
        self._put_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        self._put_back()

    def _put_back(self) -> None:
        """Have signals do what they did before."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


def _is_replaceable(handler: Any) -> bool:
    """Tell whether a signal's handler is the system's, Python's or this program's own, and not some other program's."""
    own = str(getattr(handler, "__module__", "")).startswith("archspec.")
    return own or handler in (signal.SIG_DFL, signal.default_int_handler)
