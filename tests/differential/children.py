"""Commands in processes of their own, forked from one that has imported everything: they take a fraction of a second,
and can be stopped at the n-th thing they do to files.

`python -m tests.differential.children` is the parent that forks; it reads orders, a line of JSON each.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
EVENTS = ("open", "shutil.rmtree", *(f"os.{name}" for name in ("rename", "remove", "mkdir", "rmdir", "chmod", "link")))
"""What Python tells of before it does it. What C++ does to files is not among it."""
MODULES = ("archspec.api", "archspec.cli.main", "runtime.export.export", "runtime.training.loop", "sklearn.datasets")
"""What takes long to import."""
ALONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
"""A process that forks has no other threads."""
COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Modules are compiled once: meanwhile CPython loses what the handler of a signal raises."""
PATIENCE = 60.0


@dataclass(frozen=True)
class Order:
    """A command, the folder in which it runs, and where its messages go. It stops itself before the `stop`-th deed to
    that folder, and leaves in `count` how many there were. `first` is Python that runs before it."""

    words: Sequence[str]
    folder: str
    messages: str
    stop: int
    count: str
    first: str


class Nursery:
    """Starts children. Rights of root are given up, so that a folder that is read-only is so for them."""

    def __init__(self) -> None:
        rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        command = [*(rights if shutil.which("setpriv") else []), sys.executable, "-m", "tests.differential.children"]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
        self.parent = subprocess.Popen(command, cwd=ROOT, env=os.environ | ALONE | COMPILED, **pipes)
        atexit.register(self.close)

    def start(self, order: Order) -> Child:
        Path(order.messages).touch()
        return Child(self, self._ask(asdict(order)), Path(order.messages))

    def close(self) -> None:
        self.parent.stdin.close()  # type: ignore[union-attr]
        self.parent.wait()

    def _ask(self, order: Mapping[str, Any]) -> int:
        assert self.parent.stdin is not None
        assert self.parent.stdout is not None
        print(json.dumps(order), file=self.parent.stdin)
        return int(self.parent.stdout.readline())


@dataclass(frozen=True)
class Child:
    """A command that runs, or has ended."""

    nursery: Nursery
    pid: int
    messages: Path

    def await_stop(self, patience: float = PATIENCE) -> bool:
        """Whether it stops before it ends, and before patience does."""
        end = time.monotonic() + patience
        while (state := self._state()) not in "TZ" and time.monotonic() < end:
            time.sleep(0.001)
        return state == "T"

    def stop_after(self, seconds: float) -> bool:
        """Whether it still runs then; it is stopped."""
        time.sleep(seconds)
        self.send(signal.SIGSTOP)
        return self.await_stop()

    def send(self, number: int) -> None:
        os.kill(self.pid, number)  # which nobody else has: it is waited for below alone

    def finish(self) -> tuple[int, str]:
        """Let it run to its end: the exit code (minus a signal's number), and what it wrote to stderr."""
        while (state := self._state()) != "Z":
            if state == "T":  # it may stop itself only now
                self.send(signal.SIGCONT)
            time.sleep(0.001)
        code = self.nursery._ask({"wait": self.pid})
        return code, self.messages.read_text(encoding="utf-8", errors="replace")

    def _state(self) -> str:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]


def serve() -> Order | None:
    """Fork a child for each order. Gives the order in the child, and None when there are no more."""
    for module in MODULES:
        __import__(module)
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1])
        elif not (answer := os.fork()):
            return Order(**order)
        print(answer, flush=True)
    return None


def run(order: Order) -> None:
    """The command, as if it had just been started from a terminal, and not with `&` or nohup, which ignore signals."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    with open(os.devnull, "r+b") as nothing, open(order.messages, "wb") as said:
        for descriptor, file in enumerate((nothing, nothing, said)):
            os.dup2(file.fileno(), descriptor)
    from archspec.cli.main import main

    os.chdir(order.folder)
    os.environ["TMPDIR"] = tempfile.tempdir = f"{order.folder}/tmp"
    exec(order.first, {})
    sys.argv = ["archspec", *order.words]
    watch(order)
    main()


def name_paths(event: str, arguments: tuple[Any, ...]) -> list[str]:
    """The files that a deed changes; none where one is opened to be read."""
    if event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR):
        return []
    paths = arguments[: 2 if event in ("os.rename", "os.link") else 1]
    return [os.fsdecode(path) for path in paths if isinstance(path, str | bytes | os.PathLike)]


def watch(order: Order) -> None:
    """Count what is done to files of the folder, and stop before one of the deeds."""
    done = 0

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        paths = name_paths(event, arguments) if event in EVENTS else []
        if any(os.path.abspath(path).startswith(order.folder) for path in paths):
            done += 1
            if done == order.stop:
                os.kill(os.getpid(), signal.SIGSTOP)

    sys.addaudithook(see)
    atexit.register(lambda: Path(order.count).write_text(str(done)))


if __name__ == "__main__":
    ordered = serve()
    if ordered is not None:
        run(ordered)
