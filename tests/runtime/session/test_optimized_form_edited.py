"""An optimized form that was spoilt, or whose model was edited, is passed over and gives no answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec.errors import ArchspecError
from compiler.onnx_file.content import read_content
from compiler.onnx_file.metadata import CONTENT, FILES, FINGERPRINT, OPTIMIZED, SEAL
from compiler.onnx_file.skim import read_metadata
from runtime.session.form_writer import write_optimized
from runtime.session.model_file import ModelFile
from runtime.session.optimized_form import describe_runtime, examine_optimized, find_optimized
from runtime.session.provenance import read_provenance, write_provenance
from runtime.session.session import Session
from tests.support.contents import digest
from tests.support.models import build_linear, convert_to_half, save
from tests.support.optimized_exports import FEED, cut_off, edit_numbers, export, needs_instructions, run
from tests.support.twins import build_twins

pytestmark = needs_instructions


def lose_data(beside: Path) -> None:
    next(beside.parent.glob("*.data")).unlink()


def cut_off_data(beside: Path) -> None:
    data = next(beside.parent.glob("*.data"))
    data.write_bytes(data.read_bytes()[:-1])


def break_nodes(beside: Path) -> None:
    model = onnx.load(beside, load_external_data=False)
    model.graph.node[0].domain = "nobody.has.this"
    beside.write_bytes(model.SerializeToString())


def reach_outside(beside: Path) -> None:
    data = next(beside.parent.glob("*.data"))
    elsewhere = beside.parent.parent / f"{beside.parent.name} elsewhere"
    elsewhere.mkdir()
    data.rename(elsewhere / data.name)
    data.symlink_to(elsewhere / data.name)


def change_a_number(beside: Path) -> None:
    """In place, as a disk does; the time is another then."""
    data = next(beside.parent.glob("*.data"))
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 0x40
    data.write_bytes(content)


def save_edited(beside: Path) -> None:
    """Another factor somewhere, and all metadata as they were."""
    model = onnx.load(beside, load_external_data=False)
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    node.attribute.append(onnx.helper.make_attribute("alpha", 2.0))
    onnx.save(model, beside)


def wait_for_nobody(beside: Path) -> None:
    data = next(beside.parent.glob("*.data"))
    data.unlink()
    os.mkfifo(data)


def never_end(beside: Path) -> None:
    data = next(beside.parent.glob("*.data"))
    data.unlink()
    data.symlink_to("/dev/zero")


def name_elsewhere(beside: Path) -> None:
    """A file that says so itself, and is sealed."""
    facts = read_provenance(beside)
    model = onnx.load(beside, load_external_data=False)
    told = {FILES, FINGERPRINT, OPTIMIZED, SEAL}
    kept = [item for item in model.metadata_props if item.key not in told]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    beside.write_bytes(model.SerializeToString())
    write_provenance(beside, facts, (f"../{beside.parent.name}/{facts.names[0]}",))


@pytest.mark.parametrize(
    "spoil",
    [
        wait_for_nobody,
        never_end,
        name_elsewhere,
        cut_off,
        lose_data,
        cut_off_data,
        break_nodes,
        reach_outside,
        change_a_number,
        save_edited,
    ],
)
def test_a_spoilt_file_is_passed_over(
    model: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    expected, _ = run(model)
    beside = find_optimized(ModelFile.open(model))
    assert beside is not None
    assert not caplog.messages
    spoil(beside)
    found, quick = run(model)
    assert not quick
    assert len(caplog.messages) == 1
    assert f"{beside}" in caplog.messages[0]
    assert "export m.onnx again with --optimized, or remove it" in caplog.messages[0]
    assert np.abs(found["output"] - expected["output"]).max() < 1e-5 * np.abs(expected["output"]).max()


def test_data_of_another_length_are_not_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside = find_optimized(ModelFile.open(model))
    assert beside is not None
    data = next(model.parent.glob("*.data"))
    monkeypatch.setattr("runtime.session.provenance._list_hashes", lambda path, names: pytest.fail("was read"))
    data.write_bytes(data.read_bytes() + b"0")
    with pytest.raises(ArchspecError, match="its data are not what was written"):
        examine_optimized(ModelFile.open(model))
    data.write_bytes(data.read_bytes()[:-1])  # the control: only the time is another
    with pytest.raises(pytest.fail.Exception, match="was read"):
        examine_optimized(ModelFile.open(model))


def edit_one_bit(path: Path) -> None:
    """As long as it was, and of the time that it had but for an instant."""
    content, found = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))


def cut_off_last_layer(path: Path) -> None:
    model = onnx.load(path)
    last = model.graph.node.pop()
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(last.input[0], 1, ["batch", 32]))
    onnx.save(model, path)


@pytest.mark.parametrize("edit", [edit_numbers, edit_one_bit, cut_off_last_layer, convert_to_half])
def test_an_edited_model_is_not_answered_from_what_was_made_before(
    model: Path, edit: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The witness is ONNX Runtime itself, which knows of no file beside."""
    before, quick = run(model)
    assert quick
    told = read_metadata(model)
    edit(model)
    assert read_metadata(model) == told
    session = Session(model, providers=["cpu"])
    plain = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    assert [item.name for item in plain.get_outputs()] == list(session.outputs)
    feed = {name: array.astype(session.dtypes[name]) for name, array in FEED.items()}
    for found, expected in zip(session.run(feed).values(), plain.run(None, feed), strict=True):
        assert np.array_equal(found, expected)
        assert found.shape != before["output"].shape or not np.array_equal(found, before["output"])
    (said,) = caplog.messages
    assert f"m.{describe_runtime()}.onnx is not used: m.onnx is not the model that it was made from" in said
    with pytest.raises(ArchspecError, match="is not what was exported"):
        write_optimized(model)


def test_another_model_of_the_same_length_and_time_gets_its_own_answers(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As `cp -p`, `rsync -t` and archives leave it."""
    assert run(model)[1]
    before = model.stat()
    other = export(tmp_path / "other", seed=1)
    other.replace(model)
    os.utime(model, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (model.stat().st_size, model.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    plain = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found, quick = run(model)
    assert not quick
    assert np.array_equal(found["output"], plain.run(None, FEED)[0])
    assert "m.onnx is not the model that it was made from" in caplog.messages[0]


def test_a_model_that_was_made_to_have_its_content_gets_its_own_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of the same length, metadata and content, but not of its numbers."""
    models = []
    for twin in build_twins():
        model = build_linear(twin["weight"], twin["bias"], metadata={"archspec.name": "twin"})
        model.metadata_props.add(key=CONTENT, value=digest(model))
        models.append(model)
    path = save(models[0], tmp_path / "m.onnx")
    write_optimized(path)
    content, image = read_content(path), {"image": np.eye(64, dtype=np.float32)[:3].reshape(3, 1, 8, 8)}
    before = Session(path, providers=["cpu"]).run(image)["logits"]
    os.utime(path)
    assert find_optimized(ModelFile.open(path)) is not None  # the control: another time alone
    save(models[1], path)
    assert read_content(path) == content
    found = Session(path, providers=["cpu"]).run(image)["logits"]
    plain = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert np.array_equal(found, plain.run(None, image)[0])
    assert not np.array_equal(found, before)
    assert "m.onnx is not the model that it was made from" in caplog.text
