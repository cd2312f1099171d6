"""Commands that are disturbed at random moments; and controls: whatever is lost, half or left behind is found."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import onnx
import pytest

from tests.differential.blows import BLOWS, Scene
from tests.differential.crashes import Crash, draw_crash, run_crash
from tests.differential.harness import run_seeds, table
from tests.differential.jobs import JOBS, SECOND, THIRD, TWO_FILES, Ground
from tests.differential.remains import Remains, check_ending, check_next, check_remains

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are watched through /proc")

MODULE = "tests.differential.crashes"


@pytest.mark.parametrize("job", ["export two files", "export optimized"])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_is_lost(job: str, seed: int) -> None:
    random = Random(f"{job}, {seed}")
    assert not list(run_crash(replace(draw_crash(random), job=job), random, Counter()))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 50))
def test_nothing_is_lost_over_many(first: int) -> None:
    summary = run_seeds(MODULE, range(first, first + 50))
    assert not summary.found, table(summary)
    assert summary.words["struck"] > 30


def test_everything_happens_to_every_job() -> None:
    drawn = {(crash.job, crash.blow) for crash in (draw_crash(Random(seed)) for seed in range(2000))}
    assert drawn == {(job, blow) for job in JOBS for blow in BLOWS}


# Controls

IN_PLACE = """
import os

def write_in_place(source, target):
    with open(source, "rb") as read, open(target, "wb") as written:
        written.write(read.read(100))
        os.rename(source, source)  # a deed, at which to stop
        written.write(read.read())

os.replace = write_in_place
"""
UNTIDY = "import shutil; shutil.rmtree = lambda *given, **named: None"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "blow", "found"),
    [(IN_PLACE, "SIGKILL", "half a file"), (UNTIDY, "SIGTERM", "left behind")],
)
def test_a_careless_command_is_found(first: str, blow: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"careless: {found}"
    monkeypatch.setitem(JOBS, name, replace(JOBS["export two files"], name=name, first=f"{TWO_FILES}\n{first}"))
    crashes = [Crash(name, blow, True, turn / 20) for turn in range(10, 20)]
    assert found in {one.kind for crash in crashes for one in run_crash(crash, Random(0), Counter())}


def model(number: int, data: str) -> bytes:
    """A file that names its data, and is another for another number."""
    tensor = onnx.TensorProto(name=f"w{number}", data_location=onnx.TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=data)
    return bytes(onnx.ModelProto(graph=onnx.GraphProto(initializer=[tensor])).SerializeToString())


KEPT = {"kept.onnx": model(4, "d4.data"), "d4.data": b"4", "tiny.yaml": b"{}"}
OLD = {**KEPT, "m.onnx": model(1, "d1.data"), "d1.data": b"1"}
NEW = {**KEPT, "m.onnx": model(2, "d2.data"), "d2.data": b"2"}
OTHER = {**KEPT, "m.onnx": model(3, "d3.data"), "d3.data": b"3"}


def remain(folder: Path, after: Mapping[str, bytes | None], **changes: Any) -> Remains:
    """What is left of an export of two files: these files; those that are None are missing."""
    work = folder / "disk/work"
    work.mkdir(parents=True)
    (folder / "disk/tmp").mkdir()
    ground = Ground(JOBS["export two files"], work, {SECOND: NEW, THIRD: OTHER}, 1.0, 10)
    scene = Scene(ground, folder, None, Random(0))  # type: ignore[arg-type]
    there = {name: data for name, data in after.items() if data is not None}
    usual = Remains(scene, "SIGTERM", True, OLD, OLD, there, 143, "ended by SIGTERM\n")
    return replace(usual, **changes)


def kinds(remains: Remains) -> set[str]:
    return {one.kind for one in check_remains(remains)}


WELL = {"blow": "copied", "code": 0, "said": ""}


@pytest.mark.parametrize(
    ("after", "changes", "found"),
    [
        (OLD, {}, set()),
        (NEW, {}, set()),
        (NEW, WELL, set()),
        (OLD, WELL, {"not written"}),
        (OTHER, WELL, {"half a file", "not written", "model without its data"}),
        (NEW | {"m.onnx": NEW["m.onnx"][:-3]}, {}, {"half a file", "left behind"}),
        (OLD | {"m.onnx": None}, {}, {"half a file"}),
        (NEW | {"tiny.yaml": None}, {}, {"lost"}),
        (NEW | {"tiny.yaml": b"{"}, {}, {"changed"}),
        (NEW | {"d4.data": None}, {}, {"lost", "model without its data"}),
        (NEW | {"d4.data": b"5"}, {}, {"changed", "model without its data"}),
        (NEW | {"d2.data": None}, {}, {"model without its data"}),
        (OLD | {"d2.data": b"2"}, {}, {"left behind"}),
        (OLD | {"d2.data": b"2"}, {"blow": "SIGKILL", "code": -9, "said": ""}, set()),
        (OLD | {"half": b""}, {}, {"left behind"}),
        (OLD, {"code": 0}, {"exit code: SIGTERM", "not written"}),
        (OLD, {"said": ""}, {"message"}),
        (OLD, {"said": "Traceback (most recent call last):\nended by SIGTERM"}, {"traceback"}),
        (OLD, {"blow": "full disk", "code": 2, "said": "error: cannot write work/m.onnx: No space left\n"}, set()),
        (OLD, {"blow": "full disk", "code": 2, "said": "cannot write work/m.onnx\n"}, {"message"}),
    ],
)
def test_what_remains(
    after: Mapping[str, bytes | None], changes: Mapping[str, Any], found: set[str], tmp_path: Path
) -> None:
    assert kinds(remain(tmp_path, after, **changes)) == found


@pytest.mark.parametrize("name", ["disk/work/.archspec-x", "disk/tmp/x"])
def test_a_hidden_folder_is_found(name: str, tmp_path: Path) -> None:
    remains = remain(tmp_path, OLD)
    (tmp_path / name).mkdir()
    assert kinds(remains) == {"left behind"}
    assert not kinds(replace(remains, blow="SIGKILL", code=-9, said=""))


def test_a_command_that_ended_before_has_no_excuse(tmp_path: Path) -> None:
    assert {one.kind for one in check_ending(remain(tmp_path, OLD, struck=False))} == {"exit code: ", "message"}


def test_a_next_command_that_fails_or_removes_is_found(tmp_path: Path) -> None:
    remains = remain(tmp_path, OLD | {"d2.data": b"2"})
    assert {one.kind for one in check_next(remains)} == {"next: not written", "next: lost"}
    for name, data in (NEW | {"d2.data": b"2"}).items():
        (remains.scene.work / name).write_bytes(data)
    assert not list(check_next(remains))
