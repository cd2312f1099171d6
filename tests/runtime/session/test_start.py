"""The one door to ONNX Runtime: what it takes, and what of a whole process it switches when threads pass it at once."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from runtime.session import start as door
from runtime.session.settings import Settings
from runtime.session.start import AS_IS, CUDA, ERRORS_ONLY, SILENT, preload_libraries, start
from tests.support.models import build_double, save


def test_a_file_and_its_bytes_are_one_model(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    feed = {"x": np.ones((2, 3, 4, 4), np.float32)}
    for model in (path, str(path), path.read_bytes()):
        session = start(model)
        assert session.get_providers() == ["CPUExecutionProvider"]
        assert np.array_equal(session.run(None, feed)[0], 2 * feed["x"])
    path.write_bytes(b"no model")
    with pytest.raises(Exception, match="Protobuf parsing failed"):
        start(path)
    assert capfd.readouterr() == ("", "")  # what is raised is not printed too


def test_what_is_asked_arrives(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    session = start(path, settings=Settings(threads=3), attributes=AS_IS, fixed={"N": 2}, entries={"session.x": "1"})
    options = session.get_session_options()
    assert options.intra_op_num_threads == 3
    assert options.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    assert options.get_session_config_entry("session.x") == "1"
    assert session.get_inputs()[0].shape[0] == 2
    plain = start(path)  # the control
    assert plain.get_inputs()[0].shape[0] == "N"
    assert plain.get_session_options().graph_optimization_level != options.graph_optimization_level


class Log:
    """ONNX Runtime's log, which knows how severe a message must be; and a session that takes its time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.severity = ERRORS_ONLY
        self.heard: dict[str, int] = {}
        self.first_is_in, self.first_is_done, self.second_is_in = (threading.Event() for _ in range(3))
        monkeypatch.setattr(onnxruntime, "set_default_logger_severity", self.set)
        monkeypatch.setattr(onnxruntime, "InferenceSession", self.load)
        monkeypatch.setattr(door, "preload_libraries", lambda: ())

    def set(self, severity: int) -> None:
        self.severity = severity

    def load(self, source: str, *given: object, **more: object) -> None:
        """The second session begins during the first, and goes on when that is done."""
        if source == "first":
            self.first_is_in.set()
            assert self.second_is_in.wait(10)
        else:
            self.second_is_in.set()
            assert self.first_is_done.wait(10)
            self.heard[source] = self.severity


def load_two(log: Log, load: Callable[[str], None]) -> None:

    def first() -> None:
        load("first")
        log.first_is_done.set()

    with ThreadPoolExecutor(2) as pool:
        found = [pool.submit(first)]
        assert log.first_is_in.wait(10)
        found.append(pool.submit(load, "second"))
        for each in found:
            each.result(10)


def test_the_log_is_silent_until_the_last_thread_is_through(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(monkeypatch)
    load_two(log, lambda name: start(name, providers={CUDA: {}}))
    assert log.heard == {"second": SILENT}
    assert log.severity == ERRORS_ONLY


def test_a_thread_that_gives_the_log_its_voice_back_at_once_gives_it_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a switch that counts nobody."""
    log = Log(monkeypatch)

    def load(name: str) -> None:
        log.set(SILENT)
        log.load(name)
        log.set(ERRORS_ONLY)

    load_two(log, load)
    assert log.heard == {"second": ERRORS_ONLY}


def test_libraries_are_loaded_once_and_others_may_print_meanwhile(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls, inside, printed = [], threading.Event(), threading.Event()

    def load() -> None:
        calls.append(1)
        print("Failed to load /x/libcudnn.so.9: no such file")
        inside.set()
        assert printed.wait(10)
        print("Failed to load libcublas.so.13: no such file", file=sys.stderr)
        time.sleep(0.05)  # for the others to come, too

    monkeypatch.setattr(onnxruntime, "preload_dlls", load, raising=False)
    before = sys.stdout
    door._preload.cache_clear()
    try:
        with ThreadPoolExecutor(4) as pool:
            found = [pool.submit(preload_libraries) for _ in range(4)]
            assert inside.wait(10)
            print("a line of the caller's")
            printed.set()
            names = {each.result(10) for each in found}
    finally:
        door._preload.cache_clear()
    assert names == {("/x/libcudnn.so.9", "libcublas.so.13")}
    assert calls == [1]
    assert sys.stdout is before
    assert capsys.readouterr() == ("a line of the caller's\n", "")
