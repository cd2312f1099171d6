"""The optimized form beside a model: whose answers it gives, and who has one."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.errors import ArchspecError
from compiler.onnx_file import content
from compiler.onnx_file.content import read_fingerprint
from compiler.onnx_file.metadata import CONTENT, FILES, FINGERPRINT, OPTIMIZED, SEAL
from compiler.onnx_file.skim import read_metadata
from compiler.onnx_source.read import read_graph
from compiler.onnx_target import write
from runtime.session import optimized_form
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, find_optimized
from runtime.session.session import Session
from runtime.session.settings import Settings
from tests.support.models import build_double, save
from tests.support.optimized_exports import FEED, GRAPH, export, needs_instructions, run

pytestmark = needs_instructions


def test_the_optimized_file_gives_the_models_own_answers(model: Path, tmp_path: Path) -> None:
    found, quick = run(model)
    expected, plain = run(export(tmp_path / "plain"))
    assert (quick, plain) == (True, False)
    assert np.abs(found["output"] - expected["output"]).max() < 1e-5 * np.abs(expected["output"]).max()
    other, _ = run(export(tmp_path / "other", seed=1))
    assert np.abs(found["output"] - other["output"]).max() > 1e-2 * np.abs(expected["output"]).max()


def test_it_is_the_runtimes_own_optimized_form(model: Path) -> None:
    beside = find_optimized(ModelFile.open(model))
    assert beside is not None
    assert beside.name == f"m.{describe_runtime()}.onnx"
    assert f"ort{onnxruntime.__version__}" in beside.name
    stored = read_metadata(beside)
    added = {OPTIMIZED: describe_runtime(), FILES: stored[FILES], SEAL: stored[SEAL]}
    added[FINGERPRINT] = read_fingerprint(model)
    assert stored == read_metadata(model) | added
    optimized_nodes = onnx.load(beside, load_external_data=False).graph.node
    assert len(optimized_nodes) < len(onnx.load(model).graph.node)
    assert any(node.domain.startswith("com.microsoft") for node in optimized_nodes)


def test_it_is_no_network_to_analyse(model: Path) -> None:
    with pytest.raises(ArchspecError, match="give the file that it was made from"):
        read_graph(find_optimized(ModelFile.open(model)) or model)
    assert read_graph(model).name == GRAPH.name


def test_inputs_and_sizes_are_those_of_the_model(model: Path, tmp_path: Path) -> None:
    session, plain = Session(model, providers=["cpu"]), Session(export(tmp_path / "plain"), providers=["cpu"])
    assert (session.inputs, session.outputs, session.sizes) == (plain.inputs, plain.outputs, plain.sizes)
    with pytest.raises(ArchspecError, match=r"m\.onnx"):
        session.run({"other": FEED["image"]})


def test_a_new_export_is_not_answered_from_an_older_file(model: Path) -> None:
    before, _ = run(model)
    export(model.parent, seed=1)
    assert find_optimized(ModelFile.open(model)) is None
    after, quick = run(model)
    assert not quick
    assert np.abs(before["output"] - after["output"]).max() > 1e-2
    write_optimized(model)
    again, quick = run(model)
    assert quick
    assert np.abs(again["output"] - after["output"]).max() < 1e-5
    assert len(list(model.parent.iterdir())) == 3  # the older file's data has gone


@pytest.mark.parametrize("what", ["version", "instructions"])
def test_another_runtime_or_processor_does_not_take_it(model: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if what == "version":
        monkeypatch.setattr(onnxruntime, "__version__", "0.0.1")
    else:
        monkeypatch.setattr(optimized_form, "read_instructions", lambda: ("another",))
    describe_runtime.cache_clear()
    try:
        assert find_optimized(ModelFile.open(model)) is None
        assert not run(model)[1]
        beside = next(path for path in model.parent.glob("m.ort*.onnx"))
        shutil.copy(beside, model.parent / f"m.{describe_runtime()}.onnx")  # nor under another name
        assert find_optimized(ModelFile.open(model)) is None
    finally:
        describe_runtime.cache_clear()


def test_a_processor_that_is_not_known_has_none(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimized_form, "read_instructions", lambda: ())
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    describe_runtime.cache_clear()
    try:
        assert find_optimized(ModelFile.open(model)) is None
        with pytest.raises(ArchspecError, match="does not say which instructions"):
            write_optimized(model)
    finally:
        describe_runtime.cache_clear()


def test_numbers_are_read_where_times_differ_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []

    def watch(path: Path) -> str:
        asked.append(path)
        return read_fingerprint(path)

    monkeypatch.setattr(content, "read_fingerprint", watch)
    assert find_optimized(ModelFile.open(model)) is not None
    assert asked == []
    os.utime(model)
    assert find_optimized(ModelFile.open(model)) is not None
    assert asked == [model]


def test_a_model_of_two_files_has_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "MAX_FILE_BYTES", 10_000)
    path = export(tmp_path / "two")
    write_optimized(path)
    assert run(path)[1]
    (data,) = (item for item in path.parent.glob("m.onnx.*.data"))
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    assert not run(path)[1]
    export(tmp_path / "two", seed=1)
    assert not data.exists()  # nothing names it any more, not even what was made from it


@pytest.mark.parametrize(
    "options",
    [{"settings": Settings(layout="plain")}, {"fixed": {"batch": 3, "H": 12, "W": 9}}],
    ids=["layout", "fixed"],
)
def test_other_graphs_than_the_runtimes_own_are_made_anew(model: Path, options: dict[str, object]) -> None:
    assert run(model, threads=1)[1]
    assert not run(model, **options)[1]


def test_a_name_that_leaves_no_room_gets_none(model: Path) -> None:
    long = model.rename(model.with_name("m" * 240 + ".onnx"))
    assert run(long)[1]  # which was made under another name
    with pytest.raises(ArchspecError, match=r"cannot write .*File name too long"):
        write_optimized(long)


def test_no_file_is_read_where_no_name_tells_of_a_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(tmp_path)
    shutil.copy(path, tmp_path / "other.onnx")
    monkeypatch.setattr(optimized_form, "read_metadata", None)
    assert find_optimized(ModelFile.open(path)) is None
    (tmp_path / f"other.{describe_runtime()}.onnx").write_bytes(b"")
    with pytest.raises(TypeError):
        find_optimized(ModelFile.open(path))


def test_a_model_of_anothers_is_refused(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    assert find_optimized(ModelFile.open(path)) is None
    with pytest.raises(ArchspecError, match=f"does not say what its content is .{CONTENT}.: export it again"):
        write_optimized(path)
    assert list(tmp_path.iterdir()) == [path]
