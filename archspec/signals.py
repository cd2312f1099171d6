"""The end of a process by signals: by unwinding what it is doing, and not while files take their places."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType

from archspec.last_resort import tell_heard

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that end a process from outside."""

ALARM = (signal.SIGALRM,) if hasattr(signal, "SIGALRM") else ()
"""The signal that asks again for an exit that was lost, where the system has it."""

AGAIN = 0.05
"""The seconds after which it does."""

HELD = (signal.SIGINT, *ENDINGS, *ALARM)
"""The signals that wait while files take their places."""


@contextmanager
def unwind_on_signals() -> Iterator[None]:
    """Have SIGTERM and SIGHUP (a terminal that is closed) end the process as an interrupt from the keyboard does,
    unless the program has its own way with them, or was started to outlive them (nohup). By themselves they end it
    where it stands, with its files and children left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in ENDINGS if signal.getsignal(number) == signal.SIG_DFL]
    with _Leaving(ours) if ours else nullcontext():
        yield


class _Leaving:
    """Has signals raise SystemExit: the first one does, and again until that is on its way. For Python drops what a
    handler raises in a finalizer or in a callback of a weak reference, and while it compiles a module."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self.numbers, self.came = numbers, 0
        self.alarms = [alarm for alarm in ALARM if signal.getsignal(alarm) == signal.SIG_DFL]

    def __enter__(self) -> None:
        self.tell_dropped, sys.unraisablehook = sys.unraisablehook, self._tell_dropped
        for number in (*self.numbers, *self.alarms):
            signal.signal(number, self._leave)

    def __exit__(self, *error: object) -> None:
        if self.alarms:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (*self.numbers, *self.alarms):
            signal.signal(number, signal.SIG_DFL)
        sys.unraisablehook = self.tell_dropped

    def _leave(self, number: int, frame: FrameType | None) -> None:
        """Leave, unless an earlier signal's exit is under way: a terminal that is closed sends its signal twice, and
        what is being put away should be."""
        tell_heard()
        self.came = self.came or number
        error = sys.exception()
        while error is not None and not isinstance(error, SystemExit):
            error = error.__context__
        if error is None:
            if self.alarms:
                signal.setitimer(signal.ITIMER_REAL, AGAIN)
            raise SystemExit(128 + self.came)

    def _tell_dropped(self, dropped: sys.UnraisableHookArgs) -> None:
        if not (self.came and isinstance(dropped.exc_value, SystemExit)):
            self.tell_dropped(dropped)


@contextmanager
def holding_signals() -> Iterator[None]:
    """Have signals that end a process wait until the block is over. Other threads than the first are never
    interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, frame: FrameType | None) -> None:
        tell_heard()
        came.append(number)

    handlers = {number: signal.getsignal(number) for number in HELD}
    heard = {number: handler for number, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for number in heard:
            signal.signal(number, hold)
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)
