"""Sessions among threads and processes: shared, forked, pickled and copied, they give the same answers."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from archspec.errors import ArchspecError
from runtime.session.session import Session
from runtime.session.settings import Settings
from tests.support.models import build_double, build_model, save

ROOT = Path(__file__).parents[3]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")


def write_convolutions(path: Path, channels: int = 16) -> Path:
    """Two convolutions, which ONNX Runtime shares among its threads."""
    draw = np.random.default_rng(0)
    weights = {name: draw.standard_normal((channels, channels, 3, 3)).astype(np.float32) / channels for name in "vw"}
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["h"], pads=[1] * 4),
        helper.make_node("Conv", ["h", "w"], ["y"], pads=[1] * 4),
    ]
    shape: list[int | str] = ["N", channels, 32, 32]
    return save(build_model(nodes, {"x": shape}, {"y": shape}, weights), path)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_convolutions(tmp_path / "m.onnx")


def draw(seed: int, channels: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((1, channels, 32, 32)).astype(np.float32)


# Threads


def count_wrong(call: Callable[[np.ndarray], np.ndarray], threads: int = 8, runs: int = 40) -> int:
    """How many answers are not those to the image that a thread sent; each thread has an image of its own."""
    images = [np.full((1, 16, 32, 32), 1 + number, np.float32) for number in range(threads)]
    expected = [call(image) for image in images]

    def ask(number: int) -> int:
        return sum(not np.array_equal(call(images[number]), expected[number]) for _ in range(runs))

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(ask, range(threads)))


@pytest.mark.parametrize("recorded", [False, True])
def test_threads_share_a_session(model: Path, recorded: bool) -> None:
    """A recorded run has one place for its inputs. The CPU records nothing; the way there and back is the same."""
    settings = Settings(cuda_graph=recorded or None, threads=1)
    session = Session(model, providers="cpu", settings=settings, fixed={"N": 1})
    assert count_wrong(lambda image: session.run(image)["y"]) == 0


def test_a_place_that_threads_share_without_taking_turns_mixes_their_images(model: Path) -> None:
    """The control: what the session does by turns, here without them."""
    session = Session(model, providers="cpu", settings=Settings(threads=1), fixed={"N": 1})
    binding = session.bind(draw(0))

    def ask(image: np.ndarray) -> np.ndarray:
        binding.update(image)
        binding.run()
        try:
            return binding.fetch()["y"]
        except ArchspecError:  # another thread has put its image there
            return np.zeros_like(image)

    assert any(count_wrong(ask) for _ in range(20))


# Processes that are forked off. Each test has one of its own to do so, since pytest's own has threads.

FORK = """
import faulthandler, gc, os, signal, sys, threading, time
import numpy as np
import archspec
faulthandler.enable()
from runtime.session.settings import Settings
path, threads, recorded = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "recorded"
options = dict(fixed=dict(N=1), settings=Settings(threads=threads, cuda_graph=recorded or None))
session = archspec.Session(path, providers="cpu", **options)
image = np.random.default_rng(3).standard_normal((1, 16, 32, 32)).astype(np.float32)
expected = session.run(image)["y"]
binding = session.bind(image)
raw = session._session

def in_child(work):
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            print(type(error).__name__, error, flush=True)
            os._exit(1)
        os._exit(0)
    for _ in range(400):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "right" if status == 0 else f"status {os.waitstatus_to_exitcode(status)}"
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hangs"
"""

RUN_AND_DROP = """
def work():
    global session, binding
    assert np.array_equal(session.run(image)["y"], expected)
    assert np.array_equal(session.run(image)["y"], expected)
    for name in ("run", "fetch"):
        try:
            getattr(binding, name)()
        except archspec.ArchspecError as error:
            assert "before this process was forked off: bind again here" in str(error)
        else:
            raise AssertionError(name)
    assert np.array_equal(session.bind(image).fetch()["y"], expected)
    del session, binding
    globals().pop("raw", None)
print(in_child(work))
assert np.array_equal(session.run(image)["y"], expected)
"""

UNUSED = """
del raw
def work():
    global session, binding
    del session, binding
print(in_child(work))
"""

BOUND = """
del raw, session
gc.collect()
def work():
    global binding
    del binding
print(*{in_child(work) for _ in range(4)})
"""

WHILE_RUNNING = """
stop = False
def loop():
    while not stop:
        session.run(image)
running = [threading.Thread(target=loop) for _ in range(2)]
for thread in running: thread.start()
def work():
    assert np.array_equal(session.run(image)["y"], expected)
print(*{in_child(work) for _ in range(20)})
stop = True
for thread in running: thread.join()
"""

CHANGED = """
def work():
    try:
        session.run(image)
    except archspec.ArchspecError as error:
        assert f"m.onnx{told}; a copy of a session, and one in a process that was forked off" in str(error), error
    else:
        raise AssertionError
SPOIL
print(in_child(work))
assert np.array_equal(session.run(image)["y"], expected)
"""

SPOILT = {
    "touched": ("os.utime(path, (1, 1))", " was written or replaced since the session was opened"),
    "replaced": (
        "open('other', 'wb').write(open(path, 'rb').read()); os.replace('other', path)",
        " was written or replaced since the session was opened",
    ),
    "gone": ("os.unlink(path)", ": No such file or directory"),
}

ELSEWHERE = """
def work():
    os.chdir("/")
    assert np.array_equal(session.run(image)["y"], expected)
print(in_child(work))
"""

DESTROYED = """
import gc, runtime.session.process_local
runtime.session.process_local.ProcessLocal.leave_behind = lambda self: None
runtime.session.process_local._SESSIONS.clear()
binding = raw = None
def work():
    (opened,) = runtime.session.process_local._EVERY
    opened._session = None
    gc.collect()
print(in_child(work))
"""


def fork(model: Path, code: str, threads: int = 2, recorded: str = "") -> str:
    command = [sys.executable, "-c", FORK + code, model.name, str(threads), recorded or "free"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=model.parent, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@needs_fork
@pytest.mark.parametrize("recorded", ["", "recorded"])
def test_a_forked_process_runs_and_drops_a_session(model: Path, recorded: str) -> None:
    assert fork(model, RUN_AND_DROP, recorded=recorded) == "right"


@needs_fork
@pytest.mark.parametrize(
    "code",
    [UNUSED, BOUND, WHILE_RUNNING, ELSEWHERE],
    ids=["unused", "bound", "while running", "elsewhere"],
)
def test_a_forked_process_waits_for_no_thread_that_stayed_behind(model: Path, code: str) -> None:
    assert fork(model, code) == "right"


@needs_fork
@pytest.mark.parametrize("spoil", SPOILT)
def test_a_forked_process_says_that_its_file_is_another(model: Path, spoil: str) -> None:
    act, told = SPOILT[spoil]
    assert fork(model, f"told = {told!r}\n{CHANGED.replace('SPOIL', act)}") == "right"


@needs_fork
@pytest.mark.slow
def test_a_session_that_is_not_left_behind_ends_the_process_or_hangs(model: Path) -> None:
    """The control: ONNX Runtime joins threads that are not there, which ends well by chance alone."""
    assert {fork(model, DESTROYED, threads=threads) for threads in (4, 3, 4)} != {"right"}


# Pickles and copies


def ask(session: Session, image: np.ndarray) -> np.ndarray:
    return session.run(image)["y"]


@pytest.mark.parametrize("way", ["spawn", pytest.param("fork", marks=needs_fork)])
def test_a_session_goes_to_a_pool_of_processes(model: Path, way: str) -> None:
    session = Session(model, providers="cpu", threads=1)
    images = [draw(seed) for seed in range(3)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(way)) as pool:
        found = list(pool.map(Session.run, [session] * 3, images))
    assert all(np.array_equal(answer["y"], ask(session, image)) for answer, image in zip(found, images, strict=True))


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda item: pickle.loads(pickle.dumps(item))])
def test_a_copy_is_made_with_the_same_and_is_its_own(model: Path, copied: Callable[[Session], Session]) -> None:
    settings = Settings(threads=1, spinning=False)
    session = Session(model, providers=["cpu"], settings=settings, fixed={"N": 1}, as_written=True)
    twin = copied(session)
    assert twin is not session
    assert twin._session is not session._session
    assert twin._options == session._options
    assert (twin.path, twin.settings, twin.fixed) == (model, settings, {"N": 1})
    assert np.array_equal(ask(twin, draw(0)), ask(session, draw(0)))


def test_a_pickle_finds_its_model_from_any_folder(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(model.parent)
    kept = pickle.dumps(Session(model.name, providers="cpu"))
    assert len(kept) < 1000  # the path, not the weights
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert ask(pickle.loads(kept), draw(0)).shape == (1, 16, 32, 32)


def change(path: Path) -> None:
    save(build_double(), path)


def touch(path: Path) -> None:
    os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (change, "m.onnx was written or replaced since the session was opened; a copy of a session"),
        (touch, "m.onnx was written or replaced since the session was opened"),
        (Path.unlink, r"No such file or directory; a copy of a session, .* opens its file again \(mapped=False too\)"),
    ],
)
def test_a_pickle_of_another_file_is_refused(model: Path, spoil: Callable[[Path], Any], message: str) -> None:
    session = Session(model, providers="cpu", mapped=False)
    kept = pickle.dumps(session)
    expected = session.run(draw(0))["y"]
    spoil(model)
    with pytest.raises(ArchspecError, match=message):
        pickle.loads(kept)
    with pytest.raises(ArchspecError, match=message):
        copy.deepcopy(session)
    assert np.array_equal(session.run(draw(0))["y"], expected)  # the session itself needs it no more


def test_a_binding_stays_where_it_is(model: Path) -> None:
    binding = Session(model, providers="cpu").bind(draw(0))
    for copied in (pickle.dumps, copy.deepcopy):
        with pytest.raises(ArchspecError, match="a binding is memory of this process: pass the session on"):
            copied(binding)
