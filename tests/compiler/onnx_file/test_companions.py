"""A new export takes along the weights of the model that it replaces, and never those that another model names."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from archspec import files
from archspec.api import elaborate, load, to_onnx
from archspec.files import write_text, write_whole
from archspec.ops import Linear, Shape
from compiler.graph import Graph
from compiler.onnx_file import companions, skim
from compiler.onnx_file.skim import skip_numbers
from compiler.onnx_target import write
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, find_optimized
from runtime.session.session import Session
from tests.support.lowering import Arrays, graph_of

WIDE = graph_of(Linear(out=300), Shape(200))
X = np.random.default_rng(0).standard_normal((2, 200)).astype(np.float32)
LARGE, SMALL = 10_000, 1 << 30
"""Bytes of weights in one file at most: with the first the network has two files, with the second one."""

Keep = Callable[[Path, Path], Any]


def fill(graph: Graph, seed: int) -> Arrays:
    random = np.random.default_rng(seed)
    return {name: random.standard_normal(weight.shape, np.float32) for name, weight in graph.weights.items()}


def export(path: Path, seed: int, single: int = LARGE) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "MAX_FILE_BYTES", single)
        to_onnx(WIDE, fill(WIDE, seed), path, verify=False)


def answers_of(path: Path, seed: int) -> bool:
    """Whether the model computes what these weights do, by numpy."""
    weights = fill(WIDE, seed)
    expected = X @ weights["op.weight"].T + weights["op.bias"]
    return bool(np.allclose(Session(path, providers=["cpu"]).run(X)["y"], expected, rtol=1e-4, atol=1e-3))


def data_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".data")


@pytest.mark.parametrize("single", [LARGE, SMALL], ids=["by two files", "by one file"])
def test_a_replaced_model_takes_its_data_along(single: int, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export(path, 1)
    (before,) = data_in(tmp_path)
    export(path, 2, single)
    assert before not in data_in(tmp_path)
    assert len(data_in(tmp_path)) == (single == LARGE)
    assert answers_of(path, 2)
    assert not answers_of(path, 1)


@pytest.mark.parametrize(("single", "read"), [(LARGE, True), (SMALL, False)], ids=["of two files", "of one file"])
def test_the_nodes_of_what_is_replaced_are_read_where_there_are_data(
    single: int, read: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading them takes time and memory: DenseNet-121 has 8 MiB of pages with a header on them."""
    asked: list[Path] = []

    def skip(path: Path) -> onnx.ModelProto:
        asked.append(path)
        return skip_numbers(path)

    monkeypatch.setattr(companions, "skip_numbers", skip)
    export(tmp_path / "m.onnx", 1, single)
    assert not asked
    export(tmp_path / "m.onnx", 2, SMALL)
    assert bool(asked) == read
    assert not data_in(tmp_path)


@pytest.mark.parametrize("single", [LARGE, SMALL], ids=["by two files", "by one file"])
@pytest.mark.parametrize(
    ("keep", "name"),
    [(os.rename, "v1.onnx"), (shutil.copy, "v1.onnx"), (os.link, "v1.onnx"), (shutil.copy, "m.onnx.bak")],
    ids=["renamed", "copied", "linked", "copied under any name"],
)
def test_a_model_under_another_name_keeps_its_data(keep: Keep, name: str, single: int, tmp_path: Path) -> None:
    path, kept = tmp_path / "m.onnx", tmp_path / name
    export(path, 1)
    (data,) = data_in(tmp_path)
    keep(path, kept)
    for seed in (2, 3):
        export(path, seed, single)
        assert answers_of(kept, 1)
        assert answers_of(path, seed)
    assert len(data_in(tmp_path)) == 1 + (single == LARGE)
    kept.unlink()
    export(tmp_path / "n.onnx", 4)
    assert data in data_in(tmp_path)  # nothing but a replaced model's own is ever removed


def test_a_link_from_elsewhere_whose_data_lies_here_keeps_it(tmp_path: Path) -> None:
    folder, store = tmp_path / "folder", tmp_path / "store"
    store.mkdir()
    export(folder / "m.onnx", 1)
    shutil.move(folder / "m.onnx", store / "v1.onnx")
    (folder / "v1.onnx").symlink_to(store / "v1.onnx")
    shutil.copy(store / "v1.onnx", folder / "m.onnx")
    (data,) = data_in(folder)
    export(folder / "m.onnx", 2)
    assert data in data_in(folder)


def test_the_same_model_again_keeps_its_data(tmp_path: Path) -> None:
    for _ in range(2):
        export(tmp_path / "m.onnx", 1)
    assert len(data_in(tmp_path)) == 1
    assert answers_of(tmp_path / "m.onnx", 1)


def test_an_export_onto_a_link_takes_along_what_lies_beside_its_target(tmp_path: Path) -> None:
    store, link = tmp_path / "store", tmp_path / "m.onnx"
    export(store / "blob.onnx", 1)
    (before,) = data_in(store)
    link.symlink_to("store/blob.onnx")
    export(link, 2)
    (after,) = data_in(store)
    assert before != after
    assert link.is_symlink()
    assert answers_of(store / "blob.onnx", 2)
    assert data_in(tmp_path) == []


def test_no_other_file_is_removed(tmp_path: Path) -> None:
    others = ["m.onnx.data", "m.onnx.0123456789ab.data", "n.onnx.0123456789ab.data", "notes.txt", "v1.onnx"]
    for name in others:
        (tmp_path / name).write_bytes(b"\x08")
    for content in (b"", b"no model", b"\x3a\xff"):
        (tmp_path / "m.onnx").write_bytes(content)
        export(tmp_path / "m.onnx", 1)
        (data,) = set(data_in(tmp_path)) - set(others)
        (tmp_path / "m.onnx").write_bytes(content)
        export(tmp_path / "m.onnx", 1, SMALL)
        assert data in data_in(tmp_path)  # who knows whose it was
        (tmp_path / data).unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "m.onnx"])


@pytest.mark.parametrize("name", ["weights.safetensors", "m.onnx.data", "m.onnx.0123456789ab.data"])
def test_data_of_a_foreign_model_are_its_owners(name: str, tmp_path: Path) -> None:
    tensor = TensorProto(name="w", dims=[2], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=name)
    value = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])
    graph = helper.make_graph([helper.make_node("Relu", ["w"], ["y"])], "g", [], [value], [tensor])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    (tmp_path / name).write_bytes(bytes(8))
    export(tmp_path / "m.onnx", 1)
    assert (tmp_path / name).read_bytes() == bytes(8)


def refuse_to_read(path: Path, names: object) -> set[bytes]:
    if path.name == "secret":
        raise PermissionError(13, "Permission denied", str(path))
    return skim.mentions(path, names)  # type: ignore[arg-type]


@pytest.mark.parametrize("why", ["unreadable", "too many parts", "too many files"])
def test_in_doubt_data_stay(why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(tmp_path / "m.onnx", 1)
    (data,) = data_in(tmp_path)
    (tmp_path / "secret").write_bytes(b"\x08\x01" * 1_000)  # fields of protobuf, which say nothing
    if why == "unreadable":
        monkeypatch.setattr(companions, "mentions", refuse_to_read)
    elif why == "too many parts":
        monkeypatch.setattr(skim, "MAX_FIELDS", 999)
    else:
        monkeypatch.setattr(files, "MAX_LISTED", 0)
    export(tmp_path / "m.onnx", 2)
    assert data in data_in(tmp_path)
    monkeypatch.undo()
    (older,) = {*data_in(tmp_path)} - {data}
    export(tmp_path / "m.onnx", 3)
    assert older not in data_in(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_in_the_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    export(tmp_path / "m.onnx", 1)
    export(tmp_path / "m.onnx", 2)
    assert len(data_in(tmp_path)) == 1


@pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")
def test_an_optimized_model_takes_its_older_data_along(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    export(path, 1, SMALL)
    beside = write_optimized(path)
    (first,) = data_in(tmp_path)
    kept = beside.with_name("kept.onnx")
    shutil.copy(beside, kept)
    for seed, there in ((2, 2), (3, 2)):
        export(path, seed, SMALL)
        assert write_optimized(path) == find_optimized(ModelFile.open(path)) == beside
        assert first in data_in(tmp_path)
        assert len(data_in(tmp_path)) == there
    kept.unlink()
    assert answers_of(path, 3)


@pytest.mark.parametrize("keep", [os.rename, shutil.copy], ids=["renamed", "copied"])
def test_a_model_that_gets_another_name_meanwhile_keeps_its_data(
    keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By somebody else, when the new model's data lie there, and it does not itself."""
    path, kept, replace = tmp_path / "m.onnx", tmp_path / "kept.onnx", os.replace
    export(path, 1)

    def keep_first(source: Path, target: Path) -> None:
        if Path(target) == path:
            keep(path, kept)
        replace(source, target)

    monkeypatch.setattr(os, "replace", keep_first)
    export(path, 2)
    assert answers_of(path, 2)
    assert answers_of(kept, 1)
    assert len(data_in(tmp_path)) == 2


def test_who_replaces_files_of_a_folder_is_alone_there(tmp_path: Path) -> None:
    """While one export looks which data are still named, no other puts its own there."""
    during: list[bool] = []
    other = threading.Thread(target=write_text, args=(tmp_path / "n", "other"))

    def look(older: Path) -> Callable[[], list[Path]]:
        other.start()
        other.join(timeout=0.3)
        during.append((tmp_path / "n").exists())
        return list

    with write_whole(tmp_path / "m", look) as temporary:
        temporary.write_text("one")
    other.join()
    assert during == [False]
    assert (tmp_path / "n").read_text() == "other"


@pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
@pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")
@pytest.mark.parametrize("locked", [True, False], ids=["alone", "as if nothing could be locked"])
def test_of_exports_at_once_one_leaves_its_files(locked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each looks which data are older when all have begun to, if it may. The control: then those of two are left."""
    path, all_here = tmp_path / "m.onnx", threading.Barrier(3)

    def look_together(older: Path) -> Callable[[], list[Path]]:
        list_useless = companions.find_older_data(older)
        if older == path:
            with suppress(threading.BrokenBarrierError):
                all_here.wait(0.5 if locked else 30)
        return list_useless

    def export_at_once(seed: int) -> None:
        to_onnx(WIDE, fill(WIDE, seed), path, verify=False, optimized=True)

    monkeypatch.setattr(write, "MAX_FILE_BYTES", LARGE)
    export_at_once(0)
    monkeypatch.setattr("runtime.export.export.find_older_data", look_together)
    if not locked:
        monkeypatch.setattr("archspec.files.fcntl", None)
    with ThreadPoolExecutor() as pool:
        list(pool.map(export_at_once, (1, 2, 3)))
    mine = [seed for seed in range(4) if answers_of(path, seed)]
    assert len(mine) == 1
    assert mine != [0]
    if not locked:  # nor need the form be of the export whose model is the last
        assert len(data_in(tmp_path)) > 2
        return
    form = find_optimized(ModelFile.open(path))
    assert form is not None
    named = {name for model in (path, form) for name in ModelFile.open(model).check().data}
    assert len(named) == 2
    assert set(os.listdir(tmp_path)) == named | {path.name, form.name}


# The same at full size


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Emptied afterwards: pytest would keep the gigabytes of three runs."""
    yield tmp_path
    shutil.rmtree(tmp_path)


@pytest.mark.slow
def test_models_of_two_files_keep_their_weights_at_full_size(folder: Path) -> None:
    graph = elaborate(load("mlp", {"layers": 8, "width": 8192}))
    path = folder / "model.onnx"
    x = np.array([[0.5], [-2.0]], np.float32)

    def export_large(seed: int) -> None:
        random = np.random.default_rng(seed)
        base = random.standard_normal(8192, np.float32) / 90
        weights = {
            name: np.broadcast_to(base[: weight.shape[-1]], weight.shape) * np.float32(1 + number / 8)
            for number, (name, weight) in enumerate(graph.weights.items())
        }
        to_onnx(graph, weights, path, verify=False)

    def run(model: Path) -> Arrays:
        return dict(Session(model, providers=["cpu"]).run(x))

    export_large(0)
    (data,) = folder.glob("*.data")
    assert data.stat().st_size > write.MAX_FILE_BYTES
    expected = run(path)
    shutil.copy(path, folder / "copied.onnx")
    path.rename(folder / "renamed.onnx")
    export_large(1)
    for name in ("copied.onnx", "renamed.onnx"):
        found = run(folder / name)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[key], expected[key]) for key in expected), name
    assert not any(np.allclose(run(path)[key], expected[key]) for key in expected)
    assert len(list(folder.glob("*.data"))) == 2
    for name in ("copied.onnx", "renamed.onnx"):
        (folder / name).unlink()
    data.unlink()
