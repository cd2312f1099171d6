"""A run needs a folder, and its files are named and told from others."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest

from archspec.errors import ArchspecError, ModelError
from compiler.onnx_file.metadata import GRAPH, SPEC_HASH, TRAINED_INT8
from runtime.training.run_folder import (
    METRICS,
    MODEL,
    SPEC,
    WEIGHTS,
    check_files,
    check_one_run,
    check_vacant,
    claim_folder,
    hash_spec,
    list_trained,
    name_sample,
    write_export,
)
from runtime.weights.safetensors_file import save_weights


@pytest.mark.parametrize("name", ["notes", "notes/run", "notes/a/b"])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_is_no_folder_for_a_run(name: str, force: bool, tmp_path: Path) -> None:
    """Which training would else find out when it has something to keep."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(ArchspecError, match="notes is not a folder"):
        check_vacant(tmp_path / name, force=force)
    check_vacant(tmp_path / "new" / "run", force=force)


def test_folders_are_claimed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [claim_folder("net") for _ in range(3)] == [Path("runs/net"), Path("runs/net-2"), Path("runs/net-3")]
    (tmp_path / "runs" / "one").write_text("a file")
    assert claim_folder("one") == Path("runs/one-2")
    with pytest.raises(ArchspecError, match="cannot make a folder in runs/: File name too long"):
        claim_folder("n" * 256)
    monkeypatch.chdir(tmp_path / "runs" / "one-2")
    Path("runs").write_text("a file")
    with pytest.raises(ArchspecError, match="cannot make a folder in runs/: File exists"):
        claim_folder("one")


def test_the_command_that_makes_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"has no spec\.yaml: run `archspec train` first"):
        check_files(tmp_path, [SPEC])
    (tmp_path / SPEC).write_text("")
    check_files(tmp_path, [SPEC])
    save_weights(tmp_path / WEIGHTS, {}, TRAINED_INT8.write({"recipe": "u8s8"}))
    said = f"make it first: archspec export {tmp_path / SPEC} --weights {tmp_path / WEIGHTS} --precision int8"
    with pytest.raises(ArchspecError, match=rf"has no model\.onnx: {said} -o {tmp_path / MODEL}$"):
        check_files(tmp_path, [SPEC, MODEL])
    (tmp_path / WEIGHTS).unlink()
    (tmp_path / METRICS).write_text("")
    with pytest.raises(ArchspecError, match=r"has no weights\.safetensors: its training was not finished: go on"):
        check_files(tmp_path, [WEIGHTS])
    with pytest.raises(ArchspecError, match=f"is a file: give the folder of the run, {tmp_path}"):
        check_files(tmp_path / SPEC, [SPEC])
    with pytest.raises(ArchspecError, match="does not exist: give the folder of a run"):
        check_files(tmp_path / "none", [SPEC])


def test_what_training_left_is_listed(tmp_path: Path) -> None:
    assert list_trained(tmp_path) == []
    for name in (METRICS, MODEL, SPEC):
        (tmp_path / name).write_text("")
    assert list_trained(tmp_path) == [SPEC, METRICS]
    (tmp_path / WEIGHTS).symlink_to("nowhere")
    assert list_trained(tmp_path) == [SPEC, WEIGHTS, METRICS]


def test_weights_belong_to_the_text_or_to_the_network_of_a_spec(tmp_path: Path) -> None:
    spec = tmp_path / SPEC
    spec.write_text("a: 1\n", encoding="utf-8")
    assert hash_spec("a: 1\n") == hashlib.sha256(b"a: 1\n").hexdigest()
    own = SPEC_HASH.write(hash_spec("a: 1\n"))
    other = SPEC_HASH.write(hash_spec("a: 2\n")) | GRAPH.write("graph")
    check_one_run(spec, lambda: pytest.fail("the text says enough"), "w", own)
    check_one_run(spec, lambda: pytest.fail("they say nothing"), "w", {})
    check_one_run(spec, lambda: "graph", "w", other)
    with pytest.raises(ArchspecError, match="w is of another network than"):
        check_one_run(spec, lambda: "another", "w", other)


def test_samples_have_the_names_of_their_classes() -> None:
    assert name_sample(17, "tabby, cat/dog") == "17-label-tabby_cat_dog.png"
    assert name_sample(17, None) == "17.png"


def test_the_command_of_an_export_is_one_for_a_shell() -> None:
    folder = Path("my runs/a")
    found = shlex.split(write_export(folder))
    files = [str(folder / name) for name in (SPEC, WEIGHTS, MODEL)]
    assert found == ["archspec", "export", files[0], "--weights", files[1], "-o", files[2]]
    for recipe, words in (("u8s8", []), ("s8s8", ["--for", "tensorrt"])):
        found = shlex.split(write_export(folder, TRAINED_INT8.write({"recipe": recipe}), ["--max-nodes", "9"]))
        assert found[5:-4] == ["--precision", "int8", *words]
        assert found[-2:] == ["--max-nodes", "9"]
    with pytest.raises(ModelError, match=r"archspec\.trained_int8"):
        write_export(folder, {str(TRAINED_INT8): "[]"})
