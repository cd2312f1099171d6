"""An optimized form is found wherever it and its model are renamed to, and what was left behind of one is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest

from archspec import files
from compiler.onnx_file.metadata import OPTIMIZED
from compiler.onnx_file.skim import read_metadata
from runtime.session.form_writer import write_optimized
from runtime.session.optimized_form import describe_runtime
from runtime.session.session import Session
from tests.support.optimized_exports import cut_off, edit_numbers, export, needs_instructions, run

pytestmark = needs_instructions


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
    (form,) = {found for found in model.parent.rglob("*.onnx") if OPTIMIZED in read_metadata(found)}
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
        monkeypatch.setattr(files, "MAX_LISTED", 2)
    assert run(model)[1]
    path = handle(model.parent)
    assert not run(path)[1]
    assert not caplog.messages
