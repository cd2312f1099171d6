"""A first signal is noted, so that a step can be finished; a second one does what it does otherwise."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import pytest

from runtime.training.interruption import Interruption

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def test_a_first_signal_is_noted_and_a_second_one_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interruption() as interruption:
        interruption.end()  # nothing came
        assert not interruption.wanted
        signal.raise_signal(signal.SIGINT)
        assert (interruption.wanted, interruption.name) == (True, "SIGINT")
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before
    with pytest.raises(KeyboardInterrupt):
        interruption.end()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_other_signals_end_with_the_shells_code(name: str) -> None:
    number = getattr(signal, name)
    with Interruption() as interruption:
        signal.raise_signal(number)
    assert signal.getsignal(number) == signal.SIG_DFL
    with pytest.raises(SystemExit) as caught:
        interruption.end()
    assert caught.value.code == 128 + number


def test_a_programs_own_handlers_stay() -> None:
    came: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGTERM, hear)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
        assert came == [signal.SIGTERM]
        assert not interruption.wanted
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_a_user_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGHUP)
        assert not interruption.wanted
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_than_the_first_gets_no_signals() -> None:
    before, seen = signal.getsignal(signal.SIGINT), list[object]()

    def look() -> None:
        with Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    run: Callable[[], None] = look
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
