"""What a session computes from is written while it is in use: it says so, or has copies, and never mixes two models."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from archspec.arrays import Array
from archspec.errors import ArchspecError
from runtime.session.file_watch import Watch, WatchedSession
from runtime.session.session import Session
from tests.support.aligned_models import X, save_aligned
from tests.support.models import build_linear, save

ROWS = 512
"""Of 64 numbers: what ONNX Runtime computes with where it lies."""


def save_beside(value: float, path: Path) -> Path:
    """x · w, with w in another file, the same number everywhere."""
    model = build_linear(np.full((ROWS, 64), value, np.float32), np.zeros(ROWS, np.float32))
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, path, save_as_external_data=True, location="w.data", size_threshold=1024)
    return path


def make_alone(folder: Path, value: float) -> tuple[Path, Path, np.ndarray]:
    """A model, its file that is mapped, and what it takes."""
    folder.mkdir(exist_ok=True)
    return (path := save_aligned(value, folder / "m.onnx")), path, X


def make_beside(folder: Path, value: float) -> tuple[Path, Path, np.ndarray]:
    path = save_beside(value, folder / "m.onnx")
    return path, path.with_name("w.data"), np.ones((1, 1, 8, 8), np.float32)


Make = Callable[[Path, float], tuple[Path, Path, np.ndarray]]
makes = pytest.mark.parametrize("make", [make_alone, make_beside])


def start(path: Path, **options: bool) -> Session:
    return Session(path, providers=["cpu"], **options)  # type: ignore[arg-type]


def answer(session: Session, x: np.ndarray) -> float:
    return float(next(iter(session.run(x).values())).flat[-1])


def expect(make: Make, value: float) -> float:
    return X[-1] + value if make is make_alone else 64 * value


def age(*paths: Path) -> None:
    """Long since written: a clock may stand still for some thousandths of a second."""
    for path in paths:
        os.utime(path, ns=(10**18, 10**18))


@makes
def test_a_file_that_is_written_in_place_is_noticed(make: Make, tmp_path: Path) -> None:
    path, mapped, x = make(tmp_path, 2)
    _, other, _ = make(tmp_path / "other", 5)
    assert mapped.stat().st_size == other.stat().st_size
    age(mapped)
    session, plain, bound = start(path), start(path, mapped=False), start(path).bind(x)
    bound.run()
    assert answer(session, x) == answer(plain, x) == expect(make, 2)
    shutil.copyfile(other, mapped)
    for run in (lambda: session.run(x), bound.run, lambda: session.bind(x)):
        with pytest.raises(ArchspecError, match=rf"{mapped} was written while a session computes from it"):
            run()
    assert answer(plain, x) == expect(make, 2)
    assert answer(start(path), x) == expect(make, 5)


@makes
def test_a_file_that_is_replaced_is_not_the_sessions(make: Make, tmp_path: Path) -> None:
    path, mapped, x = make(tmp_path, 2)
    _, other, _ = make(tmp_path / "other", 5)
    session, again = start(path), start(path)
    os.replace(other, mapped)
    assert answer(session, x) == answer(again, x) == expect(make, 2)
    assert answer(start(path), x) == expect(make, 5)
    mapped.unlink()
    assert answer(session, x) == expect(make, 2)


@pytest.mark.parametrize("what", ["one bit", "a byte more", "time"])
def test_any_writing_is_noticed(what: str, tmp_path: Path) -> None:
    """Of a time that is set nobody knows what else happened."""
    path, _, x = make_alone(tmp_path, 2)
    age(path)
    session = start(path)
    if what == "time":
        os.utime(path)
    else:
        with path.open("r+b" if what == "one bit" else "ab") as file:
            file.write(b"\x09")
    with pytest.raises(ArchspecError, match="give mapped=False"):
        session.run(x)


def test_rights_and_names_may_change(tmp_path: Path) -> None:
    path, _, x = make_alone(tmp_path, 2)
    session = start(path)
    path.chmod(0o400)
    os.link(path, tmp_path / "n.onnx")
    path.rename(tmp_path / "o.onnx")
    assert answer(session, x) == expect(make_alone, 2)


class Overwriting:
    """A session that somebody writes under while it runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, names: object, feed: object) -> list[int]:
        self.path.write_bytes(b"other")
        return [1]

    def run_with_iobinding(self, binding: object) -> None:
        self.path.write_bytes(b"other")


@pytest.mark.parametrize("way", ["run", "binding"])
def test_nothing_is_given_that_was_computed_meanwhile(way: str, tmp_path: Path) -> None:
    (path := tmp_path / "m").write_bytes(b"model")
    age(path)
    session = WatchedSession(Overwriting(path), Watch([path]))
    with pytest.raises(ArchspecError, match="was written while a session"):
        session.run(None, {}) if way == "run" else session.run_with_iobinding(None)
    assert session.path == path  # the rest is the session's


def test_files_are_closed_with_their_session(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("counts open files as Linux does")
    paths = [make_alone(tmp_path, 2)[0], make_beside(tmp_path / "two", 2)[0]]
    for path in paths:
        start(path)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    sessions = [start(path) for path in paths]
    assert len(os.listdir("/proc/self/fd")) >= before + 2
    del sessions
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


CUT_OFF = """
import os, sys, time
import numpy as np
from archspec.errors import ArchspecError
from runtime.session.session import Session
path, data, mapped = sys.argv[1], sys.argv[2], sys.argv[3] == "mapped"
session = Session(path, providers=["cpu"], mapped=mapped)
x = np.ones([1 if type(n) is str else n for n in next(iter(session.inputs.values()))], np.float32)
(before,) = session.run(x).values()
os.truncate(data, 100)
time.sleep(0.05)
try:
    (after,) = session.run(x).values()
    print("same" if np.array_equal(before, after) else "other")
except ArchspecError as error:
    print("refused")
"""


@makes
@pytest.mark.parametrize(("way", "said"), [("mapped", "refused"), ("copied", "same")])
def test_a_file_that_is_cut_off_between_two_runs_ends_no_process(
    make: Make, way: str, said: str, tmp_path: Path
) -> None:
    path, data, _ = make(tmp_path, 2)
    command = [sys.executable, "-c", CUT_OFF, path, data, way]
    found = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (found.returncode, found.stdout.split()) == (0, [said]), found.stderr


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64, np.uint8])
def test_copies_are_of_any_type(dtype: type, tmp_path: Path) -> None:
    """Of rows that are looked up, and converted then."""
    table: Array = np.arange(200 * 64).reshape(200, 64).astype(dtype)
    model = build_linear(np.eye(64, dtype=np.float32), np.zeros(64, np.float32))
    model.graph.initializer.append(numpy_helper.from_array(table, "table"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([3, 150]), "rows"))
    model.graph.node.append(onnx.helper.make_node("Gather", ["table", "rows"], ["found"]))
    model.graph.node.append(onnx.helper.make_node("Cast", ["found"], ["wide"], to=1))
    model.graph.output.append(onnx.helper.make_tensor_value_info("wide", 1, [2, 64]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="d", size_threshold=1024)
    session = start(tmp_path / "m.onnx", mapped=False)
    (tmp_path / "d").unlink()
    assert np.array_equal(session.run(np.ones((1, 1, 8, 8), np.float32))["wide"], table[[3, 150]].astype(np.float32))


def test_weights_of_subgraphs_are_watched_all_the_same(tmp_path: Path) -> None:
    """ONNX Runtime takes none but the graph's own from memory."""
    inner = numpy_helper.from_array(np.full(4096, 2, np.float32), "inner")
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["inner"], ["z"])],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("z", 1, [4096])],
        [inner],
    )
    node = onnx.helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = onnx.helper.make_graph(
        [node],
        "g",
        [onnx.helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])],
        [onnx.helper.make_tensor_value_info("y", 1, [4096])],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    for sub in (attribute.g for attribute in model.graph.node[0].attribute):
        (tmp_path / "w").write_bytes(sub.initializer[0].raw_data or (tmp_path / "w").read_bytes())
        onnx.external_data_helper.set_external_data(sub.initializer[0], "w", 0, 4 * 4096)
        sub.initializer[0].ClearField("raw_data")
    age(tmp_path / "w")
    save(model, tmp_path / "m.onnx")
    session = start(tmp_path / "m.onnx", mapped=False)
    (found,) = session.run(np.array(True)).values()
    assert (found == 2).all()
    with (tmp_path / "w").open("r+b") as file:
        file.write(bytes(4096))
    with pytest.raises(ArchspecError, match="w was written while"):
        session.run(np.array(True))
