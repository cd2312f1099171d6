"""Files that a session computes from where they lie: who writes into one changes what the session computes.

A file that is replaced, as this program replaces files, is another file: the session keeps the one that it has. So it
is the open file that is looked at, not its name.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archspec.errors import ModelError
from archspec.files import FileState
from runtime.session.model_file import check_unwritten, read_state

PAUSE = 1e-3
"""The time between two runs, in seconds, from which on the files are looked at before the second, too."""


class Watch:
    """Open files, and what they were when they were opened."""

    def __init__(self, paths: Iterable[Path]) -> None:
        """Raises ArchspecError where one cannot be opened."""
        self._files: list[tuple[Path, int, FileState]] = []
        self._looked = 0.0
        opened: list[int] = []
        weakref.finalize(self, _close, opened)
        for path in paths:
            try:
                opened.append(os.open(path, os.O_RDONLY))
            except OSError as error:
                raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
            self._files.append((path, opened[-1], read_state(opened[-1])))

    def check_names(self) -> None:
        """Raise ModelError unless whoever opens the files now gets these, as they were."""
        for path, _, state in self._files:
            check_unwritten(path, state)

    def check(self) -> None:
        """Raise ModelError unless the files are as they were."""
        for path, file, state in self._files:
            if read_state(file) != state:
                raise ModelError(
                    f"{path} was written while a session computes from it: its weights are of no one model. Open it "
                    "again; replace files in use as a whole (write another, then rename it), or give mapped=False"
                )
        self._looked = time.monotonic()

    def check_after_a_pause(self) -> None:
        """Check the files, unless that was just now."""
        if time.monotonic() - self._looked > PAUSE:
            self.check()


class WatchedSession:
    """An onnxruntime.InferenceSession whose files are looked at after each run, so that nothing is given that was
    computed from two models, and after a pause before it, too, so that it does not start on a file that was cut off.
    All else is the session's own."""

    def __init__(self, session: Any, watch: Watch, kept: object = None) -> None:
        """Watch a session; `kept` is what has to live as long as the session."""
        self._session, self._watch, self._kept = session, watch, kept

    def run(self, *given: Any, **more: Any) -> Any:
        self._watch.check_after_a_pause()
        found = self._session.run(*given, **more)
        self._watch.check()
        return found

    def run_with_iobinding(self, *given: Any, **more: Any) -> None:
        self._watch.check_after_a_pause()
        self._session.run_with_iobinding(*given, **more)
        self._watch.check()

    def __getattr__(self, name: str) -> Any:
        if name == "_session":  # of an object that copy or pickle has not filled yet
            raise AttributeError(name)
        return getattr(self._session, name)


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)
