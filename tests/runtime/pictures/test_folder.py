"""A folder stands for the pictures in it and below, by one rule wherever pictures are wanted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.pictures.folder import KEY, find_pictures
from runtime.prediction.answer_pictures import save_key
from runtime.tasks.registry import TASKS


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def draw_into(folder: Path, *names: str) -> None:
    save_key(folder, TASKS["maps"], ["background"])
    touch(folder, *names)


def list_names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_pictures(folder).paths]


def test_a_folder_stands_for_its_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a.jpeg", "in/c.jpg", "in/a.png", "folder.png/e.png", "note.txt", "x.npy")
    touch(tmp_path, ".hidden.png", ".git/d.png", "in/.git/d.png", "._a.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "nowhere.png").symlink_to("nothing")
    (tmp_path / "round").symlink_to(".")
    (tmp_path / "link.png").symlink_to("b.PNG")
    assert list_names(tmp_path) == ["a.jpeg", "b.PNG", "folder.png/e.png", "in/a.png", "in/c.jpg", "link.png"]
    assert find_pictures(tmp_path).notes == ()


def test_what_is_named_itself_is_read(tmp_path: Path) -> None:
    touch(tmp_path, ".hidden/a.png")
    draw_into(tmp_path / "drawn", "b.png")
    (tmp_path / "link").symlink_to(".hidden")
    assert list_names(tmp_path / ".hidden") == list_names(tmp_path / "link") == ["a.png"]
    assert list_names(tmp_path / "drawn") == ["b.png"]


def test_what_run_drew_is_no_input(tmp_path: Path) -> None:
    """Run twice into a folder among the pictures, it would answer its own drawings."""
    touch(tmp_path, "a.png", "other/b.png")
    draw_into(tmp_path / "out", "0-a.png", "more/b.png")
    found = find_pictures(tmp_path)
    assert list_names(tmp_path) == ["a.png", "other/b.png", "out/more/b.png"]
    assert found.notes == (f"{tmp_path / 'out'} was not read: `run` drew its pictures (key.json)",)
    drawn = find_pictures(tmp_path / "out")
    assert [path.name for path in drawn.paths] == ["0-a.png", "b.png"]
    assert drawn.notes == (
        f"{tmp_path / 'out'} has pictures that `run` drew (key.json), and they are read as any others",
    )
    assert find_pictures(tmp_path / "other").notes == ()
    (tmp_path / "other" / KEY).write_text('[{"index": 0, "colour": "#000000"}]')  # a class of keys, say
    assert "other/b.png" in list_names(tmp_path)


def test_other_pictures_are_told(tmp_path: Path) -> None:
    touch(tmp_path, "a.webp", "in/b.WEBP", "c.bmp", ".d.tif")
    told = f"3 other pictures of {tmp_path} (BMP, WebP) were not read: PNG and JPEG are"
    with pytest.raises(ArchspecError, match=r"holds no pictures: expected PNG or JPEG files; 3 other pictures"):
        find_pictures(tmp_path)
    touch(tmp_path, "a.png")
    assert find_pictures(tmp_path).notes == (told,)


def test_an_unreadable_folder_within_loses_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.png", "in/b.png")
    scan, locked = os.scandir, str(tmp_path / "in")

    def refuse(path: str) -> object:
        if str(path) == locked:
            raise PermissionError(13, "Permission denied", locked)
        return scan(path)

    assert list_names(tmp_path) == ["a.png", "in/b.png"]  # the control
    monkeypatch.setattr(os, "scandir", refuse)
    assert list_names(tmp_path) == ["a.png"]
    assert find_pictures(tmp_path).notes == (f"cannot read {locked}: Permission denied",)
    with pytest.raises(ArchspecError, match=r"^cannot read .*in: Permission denied$"):
        find_pictures(locked)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"cannot read .*none: No such file or directory"):
        find_pictures(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArchspecError, match=r"empty holds no pictures: expected PNG or JPEG files$"):
        find_pictures(tmp_path / "empty")
