"""Checkpoints appear whole or not at all, are told when they are damaged, and cost nobody anything."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from archspec.errors import InputError, ModelError
from runtime.training.checkpoint import CheckpointStore, Snapshot, read_checkpoint, read_newest
from runtime.training.manifest import EMA, OPTIMIZER, STATE, WEIGHTS, Manifest
from runtime.training.run_folder import MANIFEST


def make_snapshot(step: int) -> Snapshot:
    tensors = {
        WEIGHTS: {"a.weight": torch.full((2, 3), float(step)), "a.running_mean": torch.arange(3.0) / 7},
        OPTIMIZER: {"state.a.weight.momentum_buffer": torch.ones(2, 3)},
        EMA: {"a.weight": torch.zeros(2, 3)},
    }
    return Snapshot(step, tensors, {"epoch": 1, "seconds": 0.1 + 0.2})


def open_store(folder: Path, keep: int = 2) -> CheckpointStore:
    return CheckpointStore(folder, Manifest({"a": 1}), keep)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def same(first: Snapshot | None, second: Snapshot) -> bool:
    return (
        first is not None
        and first.step == second.step
        and first.state == {"step": second.step, **second.state}
        and all(
            torch.equal(first.tensors[name][key], value)
            for name, part in second.tensors.items()
            for key, value in part.items()
        )
    )


def test_a_checkpoint_is_read_as_it_was_saved(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.save(make_snapshot(5)) == tmp_path / "00000005"
    assert names(tmp_path / "00000005") == sorted([EMA, OPTIMIZER, STATE, WEIGHTS])
    manifest = Manifest.read(tmp_path)
    assert manifest == store.manifest
    assert manifest.last is not None
    assert same(read_checkpoint(tmp_path, manifest.last), make_snapshot(5))
    assert not same(read_checkpoint(tmp_path, manifest.last), make_snapshot(6))
    assert b"pickle" not in b"".join(contents(tmp_path).values())


def test_a_state_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path)
    store.save(make_snapshot(5))
    assert store.manifest.last is not None
    monkeypatch.setattr("runtime.training.checkpoint.MAX_STATE_BYTES", 4)
    with pytest.raises(ModelError, match=r"state\.json has \d+ bytes, more than 4"):
        read_checkpoint(tmp_path, store.manifest.last)


def test_the_newest_and_the_best_stay(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for step in range(1, 7):
        store.save(make_snapshot(step), best=step in (1, 2))
    assert names(tmp_path) == ["00000002", "00000005", "00000006", MANIFEST]
    assert (store.manifest.best, [item.step for item in store.manifest.checkpoints]) == ("00000002", [2, 5, 6])
    store.save(make_snapshot(7), best=True)
    assert names(tmp_path) == ["00000006", "00000007", MANIFEST]


def test_a_training_that_was_taken_up_before_replaces_what_came_after(tmp_path: Path) -> None:
    store = open_store(tmp_path, keep=5)
    for step in (2, 4, 6, 8):
        store.save(make_snapshot(step), best=step == 6)
    store.save(make_snapshot(5))
    assert [item.step for item in store.manifest.checkpoints] == [2, 4, 5]
    assert store.manifest.best is None
    assert names(tmp_path) == ["00000002", "00000004", "00000005", MANIFEST]


@pytest.mark.parametrize("name", [WEIGHTS, OPTIMIZER, EMA, STATE])
def test_of_a_checkpoint_that_is_cut_off_anywhere_the_one_before_is_taken(tmp_path: Path, name: str) -> None:
    """And where it is changed in one byte of its length; untouched it is the newest one."""
    store = open_store(tmp_path)
    store.save(make_snapshot(1))
    path = store.save(make_snapshot(2)) / name
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found, problems = read_newest(tmp_path, Manifest.read(tmp_path))
        assert same(found, make_snapshot(1))
        assert problems == [f"{path} has {length:,} of {len(data):,} bytes"]
    for place in range(0, len(data), 7):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found, problems = read_newest(tmp_path, Manifest.read(tmp_path))
        assert same(found, make_snapshot(1))
        assert problems == [f"{path} is not what was written: its SHA-256 is another one"]
    path.unlink()
    assert read_newest(tmp_path, Manifest.read(tmp_path))[1] == [f"{path} does not exist"]
    path.write_bytes(data)
    found, problems = read_newest(tmp_path, Manifest.read(tmp_path))
    assert same(found, make_snapshot(2))
    assert not problems


def test_where_none_is_whole_all_are_told(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for step in (1, 2):
        shutil.rmtree(store.save(make_snapshot(step)))
    found, problems = read_newest(tmp_path, store.manifest)
    assert found is None
    assert len(problems) == 2


def test_a_state_of_another_step_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    folder = store.save(make_snapshot(1))
    (checkpoint,) = store.manifest.checkpoints
    for path in folder.iterdir():
        path.rename(tmp_path / path.name)
    folder.rmdir()
    other = open_store(tmp_path / "other").save(make_snapshot(2))
    os.rename(other, folder)
    with pytest.raises(ModelError, match="is not what was written"):
        read_checkpoint(tmp_path, checkpoint)


HARMLESS = (0, 9)
"""The calls that make folders which are there."""


@pytest.mark.parametrize("failing", range(14))
def test_a_disk_that_fails_at_any_moment_costs_nothing(
    tmp_path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each system call that writes fails once; what was saved before is there, whole, and saving again succeeds."""
    store, calls = open_store(tmp_path), 0
    store.save(make_snapshot(1))
    store.save(make_snapshot(2))

    def wrap(function: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            nonlocal calls
            calls += 1
            if calls == failing + 1:
                raise OSError(28, "No space left on device")
            return function(*given, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("fsync", "replace", "mkdir"):
            patch.setattr(os, name, wrap(getattr(os, name)))
        told = pytest.raises(InputError, match="No space left on device")
        with nullcontext() if failing in HARMLESS else told:
            store.save(make_snapshot(3), best=True)
    assert calls > failing
    found, problems = read_newest(tmp_path, Manifest.read(tmp_path))
    assert not problems
    assert same(found, make_snapshot(2)) or same(found, make_snapshot(3))
    assert not [name for name in names(tmp_path) if name.startswith(".")]
    store.save(make_snapshot(4))
    assert same(read_newest(tmp_path, Manifest.read(tmp_path))[0], make_snapshot(4))


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="limits of POSIX")
def test_a_file_that_the_system_cuts_off_is_no_checkpoint(tmp_path: Path) -> None:
    import signal

    store = open_store(tmp_path)
    store.save(make_snapshot(1))
    before, limit = contents(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
        with pytest.raises(InputError, match=r"cannot write .*00000002: File too large"):
            store.save(make_snapshot(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert contents(tmp_path) == before
    store.save(make_snapshot(2))


def test_what_trainings_left_half_done_is_cleared_up_and_nothing_else_is(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.save(make_snapshot(1))
    (tmp_path / ".archspec-0123").mkdir()
    (tmp_path / ".archspec-0123" / WEIGHTS).write_text("half")
    shutil.copytree(tmp_path / "00000001", tmp_path / "00000009")
    (tmp_path / "00000007").mkdir()
    (tmp_path / "00000007" / "mine.txt").write_text("mine")
    (tmp_path / "notes").mkdir()
    store.clear_up()
    assert names(tmp_path) == ["00000001", "00000007", MANIFEST, "notes"]
    with pytest.raises(InputError, match=r"cannot write .*00000007"):
        store.save(make_snapshot(7))
    assert (tmp_path / "00000007" / "mine.txt").read_text() == "mine"
    store.clear_out()
    assert names(tmp_path) == ["00000001", "00000007", "notes"] or names(tmp_path) == ["00000007", "notes"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot write .*Permission denied"):
        open_store(tmp_path / "checkpoints").save(make_snapshot(1))
    tmp_path.chmod(0o700)
