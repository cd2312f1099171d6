"""The files of a folder: by sorted relative names, without what is hidden, and in finite time whatever links there
are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import InputError
from runtime.data import listing
from runtime.data.listing import cut_ending, find_ending, list_data


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def test_names_are_relative_and_sorted_whatever_the_order_on_the_disk(tmp_path: Path) -> None:
    names = ("b/10.png", "b/9.PNG", "a/x/1.jpg", "notes.txt", "a.jpeg", ".hidden.png", ".git/a.png", "__MACOSX/a.png")
    heard: list[tuple[int, int]] = []
    found = list_data(make(tmp_path, *names), lambda done, of: heard.append((done, of)))
    assert heard == [(0, 1), (1, 3), (2, 3), (3, 4)] or heard == [(0, 1), (1, 3), (2, 4), (3, 4)]
    walked = {str(Path(top, name).relative_to(tmp_path)) for top, _, files in os.walk(tmp_path) for name in files}
    assert set(found.files) == {name for name in walked if not name.startswith((".", "__"))}
    assert found.files == tuple(sorted(found.files)) == ("a.jpeg", "a/x/1.jpg", "b/10.png", "b/9.PNG", "notes.txt")
    assert found.pictures == ("a.jpeg", "a/x/1.jpg", "b/10.png", "b/9.PNG")
    assert found.folders == ("a", "a/x", "b")
    assert found.top_folders == ("a", "b")
    assert found.top_files == ("a.jpeg", "notes.txt")


def test_links_to_folders_are_followed_and_circles_end(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere", "1.png")
    data = make(tmp_path / "data", "dog/2.png")
    (data / "cat").symlink_to(tmp_path / "elsewhere")
    (data / "dog" / "back").symlink_to(data)
    (data / "self").symlink_to("self")
    (data / "gone.png").symlink_to(tmp_path / "nowhere")
    assert list_data(data).files == ("cat/1.png", "dog/2.png", "gone.png", "self")


def test_folders_that_links_multiply_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MAX_FOLDERS", 1000)
    for level in range(12):
        (tmp_path / f"{level}").mkdir()
        for side in "ab":
            (tmp_path / f"{level}" / side).symlink_to(tmp_path / f"{level + 1}")
    (tmp_path / "12").mkdir()
    with pytest.raises(InputError, match=r"holds more than .* files or 1,000 folders: name the folder that holds"):
        list_data(tmp_path / "0")


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*gone: No such file or directory"):
        list_data(tmp_path / "gone")


@pytest.mark.parametrize("name", ["a b.png", "ünï.png", "line\nbreak.png", "-o.png", "'.png", b"\xff.png"])
def test_any_name_is_a_name(tmp_path: Path, name: str | bytes) -> None:
    text = os.fsdecode(name)
    (tmp_path / text).write_bytes(b"")
    found = list_data(tmp_path)
    assert found.pictures == (text,)
    assert found.path(text).is_file()


def test_a_file_is_found_by_what_a_text_calls_it(tmp_path: Path) -> None:
    found = list_data(make(tmp_path, "images/a.png", "images/sub/b.png", "train/c.png", "test/c.png"))
    assert found.find("images/a.png") == "images/a.png"
    assert found.find("./images\\a.png") == "images/a.png"
    assert found.find("b.png") == "images/sub/b.png"
    assert found.find("elsewhere/b.png") == "images/sub/b.png"
    assert found.find("/home/me/data/images/a.png") == found.find("../images/a.png") == "images/a.png"
    assert found.find("test/b.png") is None, "the folder is here, and the file is not in it"
    assert found.find("sub/b.png") == "images/sub/b.png"
    assert found.find("c.png") is None, "two files have the name"
    assert found.find("c.png", ["test"]) == "test/c.png"
    assert found.find("d.png") is None


def test_other_pictures_are_told(tmp_path: Path) -> None:
    assert list_data(make(tmp_path, "a.png")).tell_not_read() == ()
    (told,) = list_data(make(tmp_path, "b.webp", "c.TIF", "d.tiff")).tell_not_read()
    assert told == "3 other pictures (TIFF, WebP) are not read: PNG and JPEG are"


def test_endings() -> None:
    assert (find_ending("a/b.c/d"), find_ending("a/.png"), find_ending("x.Tar.GZ")) == ("", "", ".gz")
    assert [cut_ending(name) for name in ("a.b/c.png", "a.b/c", "d..png")] == ["a.b/c", "a.b/c", "d."]


def test_pipes_and_devices_are_no_files_of_the_data(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    os.mkfifo(tmp_path / "train.txt")
    (tmp_path / "test.txt").symlink_to("/dev/zero")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert list_data(tmp_path).files == ("a.txt", "gone.png")
