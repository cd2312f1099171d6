"""The layouts of folders: each stands for one task, and none is taken for another."""

from __future__ import annotations

from pathlib import Path

from runtime.data.layouts import LAYOUTS
from runtime.data.listing import list_data
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
