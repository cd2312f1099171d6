"""Samples are kept in memory or on the disk: batches are the same, and what does not fit is refused with its size."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import runtime.data.cache as cache
from archspec.errors import InputError
from runtime.data.cache import IndexedSamples, open_samples, unwrap
from runtime.data.dataset import Dataset, Samples
from runtime.data.fetching import Batch
from runtime.data.loader import Workers, make_loader
from runtime.data.registry import load_data
from runtime.data.sized import ResizingSamples, SizedSamples
from runtime.data.source import LabelledPictures, Subset
from runtime.data.volumes.assembling import RepeatedSamples
from runtime.pictures.preprocess import Preprocess
from runtime.recipes.data import AugmentSection, DataSection
from runtime.recipes.recipe import Recipe
from tests.support.odd_samples import DrawingSamples, FilmSamples, HoardingSamples
from tests.support.photographs import write_photographs

VARIED = AugmentSection(flip="both", shift=2, rotate=20, brightness=0.2)


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Thirteen JPEGs of 2 classes, which are shown at a sixth of their size."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return as_data(write_photographs(tmp_path / "photos", 13))


def as_data(folder: Path, **others: Any) -> Dataset:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    classes = np.array(["abc".index(name[0]) for name in names])
    samples = LabelledPictures(folder, tuple(names), channels=3, targets=classes)
    preprocess = Preprocess(3, (24, 32), (0.5,) * 3, (0.25,) * 3, **others)
    return Dataset("photos", samples, Subset(samples, np.array([1, 5, 4])), ("a", "b", "c"), preprocess)


def read(data: Dataset, samples: SizedSamples, count: int = 0, **section: Any) -> list[Batch]:
    recipe = Recipe(batch=4, epochs=2, augment=VARIED, data=DataSection(**section))
    with make_loader(data, samples, recipe, training=True, workers=Workers(count, "fork")) as loader:
        return list(loader)


def are_equal(first: list[Batch], second: list[Batch]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.equal(one.images, two.images) and torch.equal(one.targets, two.targets) for one, two in pairs)


def list_kept(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("resize", ["exact", "shorter", "letterbox"])
def test_batches_are_the_same_wherever_images_are_kept(tmp_path: Path, monkeypatch: Any, resize: str) -> None:
    """The control: other preprocessing is not."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    data = as_data(write_photographs(tmp_path / "photos", 13), resize=resize)
    alone = read(data, open_samples(data, data.train, DataSection(cache="off")))
    for where in ("ram", "disk", "disk"):
        kept = open_samples(data, data.train, DataSection(cache=where, workers=2))
        assert isinstance(kept, IndexedSamples)
        for count in (0, 2):
            assert are_equal(read(data, kept, count), alone)
    other = replace(data, preprocess=replace(data.preprocess, interpolation="nearest"))
    assert not are_equal(read(other, open_samples(other, other.train, DataSection(cache="disk"))), alone)


def test_batches_are_the_same_in_processes_that_start_anew(photographs: Dataset) -> None:
    data, recipe = photographs, Recipe(batch=4, epochs=2, augment=VARIED)
    alone = read(data, open_samples(data, data.train, DataSection(cache="off")))
    for where in ("ram", "disk"):
        kept = open_samples(data, data.train, DataSection(cache=where))
        with make_loader(data, kept, recipe, training=True, workers=Workers(1, "forkserver")) as loader:
            assert are_equal(list(loader), alone)


def test_files_are_read_once_and_progress_is_told(photographs: Dataset) -> None:
    told: list[tuple[int, int]] = []
    kept = open_samples(photographs, photographs.train, DataSection(), on_step=lambda *step: told.append(step))
    shutil.rmtree(photographs.train.folder)  # type: ignore[attr-defined]
    assert len(read(photographs, kept)) == 8
    assert told == [(13, 13)]
    assert kept.name(2).endswith(".jpg")


def test_a_disk_cache_is_found_again_and_renewed_when_files_or_sizes_change(
    photographs: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, told = tmp_path / "home", list[int]()

    def open_again(data: Dataset, samples: Samples | None = None) -> SizedSamples:
        told.clear()
        return open_samples(data, samples or data.train, DataSection(cache="disk"), on_step=lambda *_: told.append(1))

    before = read(photographs, open_again(photographs))
    assert told
    (path,) = [path for path in list_kept(home) if path.suffix == ".bin"]
    state = path.stat()
    assert are_equal(read(photographs, open_again(photographs)), before)
    open_again(photographs, photographs.test)  # some of the same images
    assert (told, path.stat()) == ([], state)

    picture = photographs.train.list_files(3)[0]  # type: ignore[attr-defined]
    os.utime(picture, ns=(0, 5))
    open_again(photographs)
    assert told
    assert path.stat().st_ino != state.st_ino
    path.write_bytes(path.read_bytes()[:-30])
    assert are_equal(read(photographs, open_again(photographs)), before)
    assert told
    assert [each for each in list_kept(home) if each.suffix == ".bin"] == [path]


def test_a_disk_cache_appears_whole_or_not_at_all(photographs: Dataset, tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        open_samples(photographs, photographs.train, DataSection(cache="disk"), on_step=stop)
    assert not list_kept(tmp_path / "home")
    (folder,) = (tmp_path / "home" / "archspec" / "images").iterdir()
    (folder / ".archspec-dead").mkdir()  # what a process leaves that is killed
    (folder / ".archspec-dead" / "samples.bin").write_bytes(b"half")
    open_samples(photographs, photographs.train, DataSection(cache="disk"))
    assert [path.name for path in list_kept(tmp_path / "home")] == ["samples.bin"]


def _open_elsewhere(data: Dataset, answers: Any) -> None:
    steps: list[int] = []
    kept = open_samples(data, data.train, DataSection(cache="disk"), on_step=lambda *_: steps.append(1))
    answers.put((len(steps), int(kept.read(3)[0].sum())))


def test_processes_that_begin_together_write_one_cache(photographs: Dataset) -> None:
    processes = multiprocessing.get_context("fork")
    answers = processes.Queue()
    both = [processes.Process(target=_open_elsewhere, args=(photographs, answers)) for _ in range(2)]
    for process in both:
        process.start()
    (_, first), (_, second) = found = [answers.get(timeout=60) for _ in both]
    assert first == second
    assert sorted(steps for steps, _ in found) == [0, 1]
    for process in both:
        process.join(60)


def test_what_does_not_fit_is_refused_with_its_size(photographs: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirteen images of 24 by 32 pixels in three bytes, eight bytes of label and twelve of index each."""
    size = f"{13 * (3 * 24 * 32 + 8 + 12) / 1000:.1f} kB"
    monkeypatch.setattr(cache, "read_free_memory", lambda: 37_000)
    with pytest.raises(
        InputError,
        match=rf"the prepared images of photos take {size}, which is too much for memory, of which 37\.0 kB are free: "
        "take --cache disk, or --cache off",
    ):
        open_samples(photographs, photographs.train, DataSection())
    monkeypatch.setattr(cache, "read_free_memory", lambda: None)
    assert isinstance(open_samples(photographs, photographs.train, DataSection()), IndexedSamples)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=30_000))
    with pytest.raises(
        InputError, match=rf"take {size}, which is too much for the disk of .*, of which 30\.0 kB are f"
    ):
        open_samples(photographs, photographs.train, DataSection(cache="disk"))


def test_each_process_takes_memory_for_itself_and_all_share_a_file(
    photographs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "read_free_memory", lambda: 100_000)
    for processes in (1, 2):
        open_samples(photographs, photographs.train, DataSection(), processes=processes)
    told = (
        r"take 30\.2 kB, which is too much for 3 processes, each of which keeps them in memory, of which 100 kB are "
        "free: take --cache disk, which they share, or --cache off"
    )
    with pytest.raises(InputError, match=told):
        open_samples(photographs, photographs.train, DataSection(), processes=3)
    open_samples(photographs, photographs.train, DataSection(cache="disk"), processes=3)


def test_bad_files_are_told_at_once_or_left_out_as_without_a_cache(photographs: Dataset) -> None:
    bad = photographs.train.list_files(6)[0]  # type: ignore[attr-defined]
    bad.write_bytes(bad.read_bytes()[:200])
    for where in ("ram", "disk"):
        with pytest.raises(InputError, match=f"{bad} is a broken picture"):
            open_samples(photographs, photographs.train, DataSection(cache=where))
    sections = [DataSection(cache=where, skip_bad=True) for where in ("off", "ram", "disk")]
    alone, *others = [
        read(photographs, open_samples(photographs, photographs.train, section), skip_bad=True) for section in sections
    ]
    assert {index for batch in alone for index, _ in batch.bad} == {6}
    for other in others:
        assert are_equal(other, alone)
        assert [batch.bad for batch in other] == [batch.bad for batch in alone]
    assert len(open_samples(photographs, photographs.test, DataSection(cache="disk"))) == 3  # which has it not


def test_a_folder_that_cannot_be_written_is_told(photographs: Dataset, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("no folder", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot write .*: Not a directory; take --cache ram, or --cache off"):
        open_samples(photographs, photographs.train, DataSection(cache="disk"))


def test_what_lies_in_memory_or_is_drawn_anew_is_not_kept() -> None:
    data = load_data("digits")
    assert isinstance(open_samples(data, data.train, DataSection()), ResizingSamples)
    assert isinstance(open_samples(data, data.train, DataSection(), Workers(1, "forkserver")), IndexedSamples)
    small = replace(data, preprocess=replace(data.preprocess, size=(6, 6)))
    assert isinstance(open_samples(small, small.train, DataSection()), IndexedSamples)
    drawing = Dataset("mine", DrawingSamples(), DrawingSamples(), ("a",), Preprocess(1, (4, 4), (0.5,), (0.5,)))
    assert isinstance(open_samples(drawing, drawing.train, DataSection()), ResizingSamples)


def test_parts_of_parts_are_found_in_what_they_are_of() -> None:
    base: Any = FilmSamples(9)
    assert unwrap(base)[0] is base
    for samples, expected in (
        (Subset(base, np.array([8, 1, 1])), [8, 1, 1]),
        (Subset(Subset(base, np.array([8, 1, 5])), np.array([2, 0])), [5, 8]),
        (RepeatedSamples(Subset(base, np.array([3, 4])), 2), [3, 4, 3, 4]),  # type: ignore[arg-type]
    ):
        found, places = unwrap(samples)
        assert found is base
        assert places.tolist() == expected


def _measure_memory() -> int:
    """The memory of the worker processes, in bytes, where what several share counts once (PSS)."""
    total = 0
    for process in multiprocessing.active_children():
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total


def _read_with_workers(data: Dataset, samples: SizedSamples) -> Iterator[int]:
    """The memory of four workers after they have read all images often."""
    recipe = Recipe(batch=4, epochs=8)
    with make_loader(data, samples, recipe, training=True, workers=Workers(4, "fork")) as loader:
        for step, _ in enumerate(loader):
            if step == len(loader) - 2:
                yield _measure_memory()


def _compare_memory(size: int) -> tuple[int, int]:
    """The memory that four workers take for `size` bytes of images from the cache, and with a copy in each, above what
    they take with next to no images."""
    found: list[int] = []
    for count in (8, size // (3 * 256 * 256)):
        samples = FilmSamples(count, 256)
        data = Dataset("film", samples, samples, ("a", "b", "c"), Preprocess(3, (256, 256), (0.5,) * 3, (0.5,) * 3))
        kept = open_samples(data, data.train, DataSection())
        found += _read_with_workers(data, kept)
    few, many = found
    (hoarded,) = _read_with_workers(data, HoardingSamples(kept))
    return many - few, hoarded - few


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell shared memory apart")
def test_four_workers_take_no_more_than_the_cache_and_a_fifth() -> None:
    """The control: with a copy in each they take three times as much. In a process of its own: workers that are forked
    from one that did much before copy some of that."""
    size = 256 * 3 * 256 * 256
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        cached, hoarded = process.submit(_compare_memory, size).result()
    assert cached <= 1.2 * size
    assert hoarded > 3 * size
