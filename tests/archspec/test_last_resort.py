"""A signal ends a command also where Python hears none, and leaves no temporary files; what hears it ends by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

PATIENCE = 120
"""Seconds after which a process is given up that should have ended."""

START = """
import ctypes, os, signal, sys, time
from contextlib import nullcontext
from threading import Timer
from archspec import last_resort
from archspec.cli.main import ENDED
from archspec.files import scratch_folder, write_whole
from archspec.signals import unwind_on_signals

last_resort.GRACE = 0.3
signal.signal(signal.SIGINT, signal.default_int_handler)

def wait_in_c():
    '''For ever: a lock that one thread takes twice.'''
    lock = ctypes.create_string_buffer(256)
    ctypes.CDLL(None).pthread_mutex_lock(lock)
    Timer(0.5, lambda: print("there", flush=True)).start()
    ctypes.CDLL(None).pthread_mutex_lock(lock)

def wait_in_python():
    print("there", flush=True)
    while True:
        time.sleep(0.01)

"""
IN_FILES = """
with unwind_on_signals(), {guard}, scratch_folder() as folder, write_whole(sys.argv[1]) as path:
    (folder / "part").write_text("a part")
    path.write_text("a part")
    try:
        {wait}()
    finally:
        print("unwound", flush=True)
"""
GUARD = "last_resort.end_unheard(ENDED)"


def start(script: str, folder: Path) -> subprocess.Popen[str]:
    scratch = folder / "scratch"
    scratch.mkdir()
    return subprocess.Popen(
        [sys.executable, "-c", START + script, str(folder / "written")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(scratch)},
    )


def send(process: subprocess.Popen[str], *signals: str) -> tuple[int, str, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    for name in signals:
        process.send_signal(getattr(signal, name))
    said, problems = process.communicate(timeout=PATIENCE)
    return process.returncode, said, problems


@pytest.mark.parametrize(("what", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_process_ends_that_hears_no_signal(what: str, code: int, tmp_path: Path) -> None:
    process = start(IN_FILES.format(guard=GUARD, wait="wait_in_c"), tmp_path)
    assert send(process, what) == (code, "", f"ended by {what}\n")
    assert [path.name for path in tmp_path.rglob("*")] == ["scratch"]


def test_without_the_last_resort_it_does_not(tmp_path: Path) -> None:
    """The control: that process waits for ever."""
    process = start(IN_FILES.format(guard="nullcontext()", wait="wait_in_c"), tmp_path)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        process.kill()


@pytest.mark.parametrize("signals", [("SIGTERM",), ("SIGTERM", "SIGTERM"), ("SIGHUP", "SIGHUP", "SIGTERM")])
def test_what_hears_a_signal_unwinds(signals: tuple[str, ...], tmp_path: Path) -> None:
    process = start(IN_FILES.format(guard=GUARD, wait="wait_in_python"), tmp_path)
    code, said, problems = send(process, *signals)
    assert (said, problems) == ("unwound\n", "")
    assert code in {128 + getattr(signal, name) for name in signals}
    assert [path.name for path in tmp_path.rglob("*")] == ["scratch"]


FORKED = """
with unwind_on_signals(), last_resort.end_unheard(ENDED):
    child = os.fork()
    if not child:
        wait_in_python()
    time.sleep(0.5)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    time.sleep(1)
    print("alive", flush=True)
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_signal_of_a_child_is_no_signal_of_its_parent(tmp_path: Path) -> None:
    process = start(FORKED, tmp_path)
    said, _ = process.communicate(timeout=PATIENCE)
    assert said.split() == ["there", "143", "alive"]
    assert process.returncode == 0


RUNNING = """
from archspec.cli.main import main
from runtime.session.session import Session

run = Session.run
Session.run = lambda session, feed: (print("there", flush=True), run(session, feed))[1]
sys.argv[1:] = ["verify", sys.argv[1]]
main()
"""


def test_verify_ends_while_a_model_runs_for_ever(tmp_path: Path) -> None:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    value, node = helper.make_tensor_value_info, helper.make_node
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"]), node("Neg", ["p"], ["q"])],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("p", TensorProto.FLOAT, [2])],
        [value("on", TensorProto.BOOL, []), value("q", TensorProto.FLOAT, [2])],
    )
    ends = [value(name, TensorProto.FLOAT, [2]) for name in "xy"]
    count = numpy_helper.from_array(np.array(1 << 62, np.int64), "count")
    graph = helper.make_graph([node("Loop", ["count", "", "x"], ["y"], body=body)], "g", ends[:1], ends[1:], [count])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "written")
    process = start(RUNNING, tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)  # it is in C++ then, most likely; if not, it hears the signal
    process.send_signal(signal.SIGTERM)
    _, problems = process.communicate(timeout=PATIENCE)
    assert (process.returncode, problems) == (143, "ended by SIGTERM\n")
    assert not list((tmp_path / "scratch").glob("tmp*"))  # ONNX Runtime leaves a file of its own
