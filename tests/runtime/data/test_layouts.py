"""The layouts of folders: each stands for one task, and none is taken for another."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.data.layouts import LAYOUTS, tell_suspects
from runtime.data.listing import list_data
from runtime.data.opening import open_source
from runtime.tasks.registry import TASKS
from tests.support.folders import write_class_folders, write_mask_pairs


def recognized(folder: Path) -> list[str]:
    return [layout.name for layout in LAYOUTS if layout.recognize(list_data(folder))]


def test_each_layout_is_for_a_task_that_there_is() -> None:
    assert {layout.task for layout in LAYOUTS} <= set(TASKS)
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


def test_images_and_masks_come_before_classes_of_these_names(tmp_path: Path) -> None:
    write_mask_pairs(tmp_path / "pairs", ["a"])
    write_class_folders(tmp_path / "classes", {"a": 1, "b": 1})
    assert recognized(tmp_path / "pairs") == ["pairs of images and masks", "class folders"]
    assert recognized(tmp_path / "classes") == ["class folders"]
    (tmp_path / "empty").mkdir()
    assert recognized(tmp_path / "empty") == []


def test_files_that_no_layout_takes_are_told_with_why(tmp_path: Path) -> None:
    write_class_folders(tmp_path, {"cat": 3})
    (tmp_path / "a.json").write_text('{"hello": [1, }')
    (tmp_path / "b.json").write_text("{}")
    (tmp_path / "c.csv").write_text("picture,kind\n1.png,cat\n")
    (tmp_path / "d.csv").write_bytes("picture,kind\n1.png,é\n".encode("latin-1"))
    only, *told = tell_suspects(list_data(tmp_path))
    assert only == "all its pictures lie in cat, and one class alone teaches nothing"
    assert [said.removeprefix(f"{tmp_path}/").partition(": Exp")[0] for said in told] == [
        "a.json is not valid JSON",
        "b.json has none of COCO's images, annotations and categories",
        "c.csv:1 names the columns picture, kind",
        "d.csv:2:7: the byte 0xe9 is not UTF-8: save the table as UTF-8",
    ]
    with pytest.raises(
        InputError, match=r"is laid out as no data are: .*c\.csv:1 names the columns .*; understood are: maps"
    ):
        open_source(tmp_path)
    write_class_folders(tmp_path, {"dog": 3})
    assert open_source(tmp_path).classes == ("cat", "dog"), "the control"
