"""The optimized file beside a model: taken where it fits, passed over silently where anything differs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from archspec import files
from archspec.api import elaborate, load, to_onnx, to_torch
from archspec.errors import ArchspecError
from compiler.content import CONTENT
from compiler.onnx_source.content import read_content, read_fingerprint
from compiler.onnx_source.read import read_graph
from compiler.onnx_source.skim import OPTIMIZED_FOR, read_metadata
from compiler.onnx_target import write
from runtime import optimized
from runtime.optimize import write_optimized
from runtime.optimized import describe_runtime, examine_optimized, find_optimized
from runtime.provenance import FILES, FINGERPRINT, SEAL, read_provenance, write_provenance
from runtime.session import Session
from runtime.settings import Settings
from tests.compiler.contents import digest
from tests.compiler.twins import build_twins
from tests.lowering import Arrays, sample_inputs, stir
from tests.runtime.models import build_double, build_linear, convert_to_half, save

GRAPH = elaborate(load("resnet_digits"))
FEED = sample_inputs(GRAPH, 3, {"H": 12, "W": 9})

needs_instructions = pytest.mark.skipif(describe_runtime() is None, reason="the processor's instructions are unknown")
pytestmark = needs_instructions


def export(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    to_onnx(GRAPH, stir(to_torch(GRAPH), seed).state_dict(), folder / "m.onnx", verify=False)
    return folder / "m.onnx"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = export(tmp_path_factory.mktemp("made"))
    write_optimized(path)
    return path


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A model with its optimized file, to spoil."""
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / made.name


def run(path: Path, **options: object) -> tuple[Arrays, bool]:
    """Outputs, and whether they came from the optimized file."""
    session = Session(path, providers=["cpu"], **options)  # type: ignore[arg-type]
    level = session._session.get_session_options().graph_optimization_level
    return session.run(FEED), level == onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL


def test_the_optimized_file_gives_the_models_own_answers(model: Path, tmp_path: Path) -> None:
    found, quick = run(model)
    expected, plain = run(export(tmp_path / "plain"))
    assert (quick, plain) == (True, False)
    assert np.abs(found["output"] - expected["output"]).max() < 1e-5 * np.abs(expected["output"]).max()
    other, _ = run(export(tmp_path / "other", seed=1))
    assert np.abs(found["output"] - other["output"]).max() > 1e-2 * np.abs(expected["output"]).max()


def test_it_is_the_runtimes_own_optimized_form(model: Path) -> None:
    beside = find_optimized(model)
    assert beside is not None
    assert beside.name == f"m.{describe_runtime()}.onnx"
    assert f"ort{onnxruntime.__version__}" in beside.name
    stored = read_metadata(beside)
    added = {OPTIMIZED_FOR: describe_runtime(), FILES: stored[FILES], SEAL: stored[SEAL]}
    added[FINGERPRINT] = read_fingerprint(model)
    assert stored == read_metadata(model) | added
    optimized_nodes = onnx.load(beside, load_external_data=False).graph.node
    assert len(optimized_nodes) < len(onnx.load(model).graph.node)
    assert any(node.domain.startswith("com.microsoft") for node in optimized_nodes)


def test_it_is_no_network_to_analyse(model: Path) -> None:
    with pytest.raises(ArchspecError, match="give the file that it was made from"):
        read_graph(find_optimized(model) or model)
    assert read_graph(model).name == GRAPH.name


def test_inputs_and_sizes_are_those_of_the_model(model: Path, tmp_path: Path) -> None:
    session, plain = Session(model, providers=["cpu"]), Session(export(tmp_path / "plain"), providers=["cpu"])
    assert (session.inputs, session.outputs, session.sizes) == (plain.inputs, plain.outputs, plain.sizes)
    with pytest.raises(ArchspecError, match=r"m\.onnx"):
        session.run({"other": FEED["image"]})


def test_a_new_export_is_not_answered_from_an_older_file(model: Path) -> None:
    before, _ = run(model)
    export(model.parent, seed=1)
    assert find_optimized(model) is None
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
        monkeypatch.setattr(optimized.ort, "__version__", "0.0.1")
    else:
        monkeypatch.setattr(optimized, "read_instructions", lambda: ("avx2",))
    describe_runtime.cache_clear()
    try:
        assert find_optimized(model) is None
        assert not run(model)[1]
        beside = next(path for path in model.parent.glob("m.ort*.onnx"))
        shutil.copy(beside, model.parent / f"m.{describe_runtime()}.onnx")  # nor under another name
        assert find_optimized(model) is None
    finally:
        describe_runtime.cache_clear()


def test_a_processor_that_is_not_known_has_none(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimized, "read_instructions", lambda: ())
    monkeypatch.setattr(optimized.platform, "machine", lambda: "x86_64")
    describe_runtime.cache_clear()
    try:
        assert find_optimized(model) is None
        with pytest.raises(ArchspecError, match="does not say which instructions"):
            write_optimized(model)
    finally:
        describe_runtime.cache_clear()


def cut_off(beside: Path) -> None:
    beside.write_bytes(beside.read_bytes()[:-200])


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
    told = {FILES, FINGERPRINT, OPTIMIZED_FOR, SEAL}
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
    beside = find_optimized(model)
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
    beside = find_optimized(model)
    assert beside is not None
    data = next(model.parent.glob("*.data"))
    monkeypatch.setattr("runtime.provenance._list_hashes", lambda path, names: pytest.fail("was read"))
    data.write_bytes(data.read_bytes() + b"0")
    with pytest.raises(ArchspecError, match="its data are not what was written"):
        examine_optimized(model)
    data.write_bytes(data.read_bytes()[:-1])  # the control: only the time is another
    with pytest.raises(pytest.fail.Exception, match="was read"):
        examine_optimized(model)


def edit_numbers(path: Path) -> None:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("linear_0"):
            tensor.raw_data = np.ones(tensor.dims, np.float32).tobytes()
    onnx.save(model, path)


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
        model = build_linear(*twin.values(), metadata={"archspec.name": "twin"})
        model.metadata_props.add(key=CONTENT, value=digest(model))
        models.append(model)
    path = save(models[0], tmp_path / "m.onnx")
    write_optimized(path)
    content, image = read_content(path), {"image": np.eye(64, dtype=np.float32)[:3].reshape(3, 1, 8, 8)}
    before = Session(path, providers=["cpu"]).run(image)["logits"]
    os.utime(path)
    assert find_optimized(path) is not None  # the control: another time alone
    save(models[1], path)
    assert read_content(path) == content
    found = Session(path, providers=["cpu"]).run(image)["logits"]
    plain = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert np.array_equal(found, plain.run(None, image)[0])
    assert not np.array_equal(found, before)
    assert "m.onnx is not the model that it was made from" in caplog.text


def assert_form_is_used(model: Path, handle: Callable[[Path], Path], log: pytest.LogCaptureFixture) -> None:
    """The witness is ONNX Runtime itself: a control that it computes from the form is the level of its options."""
    expected, _ = run(model)
    found, quick = run(handle(model.parent))
    assert quick
    assert np.array_equal(found["output"], expected["output"])
    assert not log.messages


def leave(folder: Path) -> Path:
    return folder / "m.onnx"


def touch(folder: Path) -> Path:
    for path in folder.iterdir():
        os.utime(path)
    return folder / "m.onnx"


def copy(folder: Path) -> Path:
    """Without their times."""
    (folder / "copy").mkdir()
    for path in folder.glob("*.*"):
        shutil.copyfile(path, folder / "copy" / path.name)
    return folder / "copy" / "m.onnx"


def rename(folder: Path) -> Path:
    for path in folder.glob("m.*onnx"):
        path.rename(folder / path.name.replace("m.", "n.", 1))
    return folder / "n.onnx"


def save_again(folder: Path) -> Path:
    """In another form, of other lengths."""
    onnx.save(
        onnx.load(folder / "m.onnx"), folder / "m.onnx", save_as_external_data=True, location="w", size_threshold=9
    )
    return folder / "m.onnx"


@pytest.mark.parametrize("handle", [leave, touch, copy, rename, save_again])
def test_files_that_are_the_same_are_used_wherever_they_are(
    model: Path, handle: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert_form_is_used(model, handle, caplog)


def test_numbers_are_read_where_times_differ_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(optimized, "read_fingerprint", lambda path: asked.append(path) or read_fingerprint(path))
    assert find_optimized(model) is not None
    assert asked == []
    os.utime(model)
    assert find_optimized(model) is not None
    assert asked == [model]


def test_a_model_of_two_files_has_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "SINGLE_FILE", 10_000)
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
    long = model.rename(model.with_name("m" * 228 + ".onnx"))
    assert run(long)[1]  # which was made under another name
    with pytest.raises(ArchspecError, match=r"cannot write .*File name too long"):
        write_optimized(long)


def form_of(folder: Path) -> Path:
    return folder / f"m.{describe_runtime()}.onnx"


def rename_model(folder: Path) -> Path:
    return (folder / "m.onnx").rename(folder / "n.onnx")


def rename_form(folder: Path) -> Path:
    form_of(folder).rename(folder / "fast.onnx")
    return folder / "m.onnx"


def rename_both_apart(folder: Path) -> Path:
    rename_form(folder)
    return rename_model(folder)


def rename_folder(folder: Path) -> Path:
    other = folder.parent / f"{folder.name} other"
    folder.rename(other)
    return other / "m.onnx"


def swap(folder: Path) -> Path:
    """Another model and its form take the names of this one, and this one theirs."""
    (folder / "other").mkdir()
    write_optimized(export(folder / "other", seed=1))
    (folder / "m.onnx").rename(folder / "n.onnx")
    (folder / "other" / "m.onnx").rename(folder / "m.onnx")
    form = form_of(folder / "other")
    (data,) = (folder / "other").glob("*.data")
    form.rename(folder / f"n.{describe_runtime()}.onnx")
    data.rename(folder / data.name)
    return folder / "n.onnx"


def copy_model(folder: Path) -> Path:
    shutil.copyfile(folder / "m.onnx", folder / "n.onnx")
    return folder / "n.onnx"


def link_model(folder: Path) -> Path:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "n.onnx").symlink_to("../m.onnx")
    return folder / "elsewhere" / "n.onnx"


@pytest.mark.parametrize(
    "handle", [rename_model, rename_form, rename_both_apart, rename_folder, swap, copy_model, link_model]
)
def test_a_model_that_was_renamed_keeps_its_form(
    model: Path, handle: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert_form_is_used(model, handle, caplog)


def lose_form(folder: Path) -> Path:
    form_of(folder).unlink()
    return folder / "m.onnx"


def rename_form_to_no_model(folder: Path) -> Path:
    form_of(folder).rename(folder / "fast.bak")
    return folder / "m.onnx"


def lose_form_and_rename(folder: Path) -> Path:
    form_of(folder).unlink()
    return rename_model(folder)


@pytest.mark.parametrize("handle", [lose_form, rename_form_to_no_model, lose_form_and_rename])
def test_a_form_that_left_its_weights_behind_is_told(
    model: Path, handle: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    (data,) = model.parent.glob("*.data")
    path = handle(model.parent)
    assert not run(path)[1]
    assert caplog.messages == [
        f"{data} is not used: these are weights of an optimized form of {path.name} that is no longer here; "
        f"export {path.name} again with --optimized, or remove it"
    ]
    caplog.clear()
    data.unlink()
    assert not run(path)[1]
    assert not caplog.messages


def lose_weights(folder: Path) -> None:
    next(folder.glob("*.data")).unlink()


def cut_off_weights(folder: Path) -> None:
    cut_off(next(folder.glob("*.data")))


@pytest.mark.parametrize(
    ("handle", "spoil"),
    [*product([leave, rename_model, link_model], [lose_weights, cut_off_weights]), (rename_form, cut_off_weights)],
)
def test_a_form_that_lost_its_weights_is_told(
    model: Path,
    handle: Callable[[Path], Path],
    spoil: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = handle(model.parent)
    assert Session(path, providers=["cpu"]).loaded != path
    (form,) = {found for found in model.parent.rglob("*.onnx") if OPTIMIZED_FOR in read_metadata(found)}
    assert not caplog.messages
    spoil(model.parent)
    session = Session(path, providers=["cpu"])
    assert session.loaded == path
    (told,) = caplog.messages
    assert f"{form} is not used: " in told
    caplog.clear()
    form.unlink()
    for data in model.parent.glob("*.data"):
        data.unlink()
    assert Session(path, providers=["cpu"]).loaded == path
    assert not caplog.messages


def edit_a_copy(folder: Path) -> Path:
    path = copy_model(folder)
    edit_numbers(path)
    return path


def export_another(folder: Path) -> Path:
    """Under a name of its own, for which nobody asked for a form."""
    (folder / "other").mkdir()
    return export(folder / "other", seed=1).rename(folder / "n.onnx")


def save_anothers(folder: Path) -> Path:
    shutil.copyfile(folder / "m.onnx", folder / "n.onnx")
    foreign = onnx.load(folder / "n.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, folder / "n.onnx")
    return folder / "n.onnx"


def take_from_a_full_folder(folder: Path) -> Path:
    """Whose names are not looked at."""
    return rename_model(folder)


@pytest.mark.parametrize("handle", [edit_a_copy, export_another, save_anothers, take_from_a_full_folder])
def test_who_never_asked_for_a_form_is_told_nothing(
    model: Path,
    handle: Callable[[Path], Path],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if handle is take_from_a_full_folder:
        monkeypatch.setattr(files, "MOST_LISTED", 2)
    assert run(model)[1]
    path = handle(model.parent)
    assert not run(path)[1]
    assert not caplog.messages


def test_no_file_is_read_where_no_name_tells_of_a_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(tmp_path)
    shutil.copy(path, tmp_path / "other.onnx")
    monkeypatch.setattr(optimized, "read_metadata", None)
    assert find_optimized(path) is None
    (tmp_path / f"other.{describe_runtime()}.onnx").write_bytes(b"")
    with pytest.raises(TypeError):
        find_optimized(path)


def test_a_model_of_anothers_is_refused(tmp_path: Path) -> None:
    path = save(build_double(), tmp_path / "m.onnx")
    assert find_optimized(path) is None
    with pytest.raises(ArchspecError, match=f"does not say what its content is .{CONTENT}.: export it again"):
        write_optimized(path)
    assert list(tmp_path.iterdir()) == [path]
