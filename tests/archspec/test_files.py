"""Files that appear whole: whose they are afterwards, what becomes of links, and what errors name."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from archspec import files
from archspec.errors import ArchspecError
from archspec.files import (
    FileState,
    check_can_write,
    is_plain_file,
    list_folder,
    renaming,
    scratch_folder,
    write_text,
    write_whole,
)

posix = pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_pair(path: Path, text: str) -> None:
    with write_whole(path) as temporary:
        temporary.write_text(text)
        temporary.with_name(f"{temporary.name}.data").write_text(text)


@posix
@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("mode", [0o664, 0o600, 0o646])
def test_permissions_stay_and_companions_share_them(mode: int, tmp_path: Path) -> None:
    path, data = tmp_path / "m", tmp_path / "m.data"
    write_pair(path, "new")
    (tmp_path / "plain").write_text("")
    assert permissions(path) == permissions(data) == permissions(tmp_path / "plain") == 0o640
    path.chmod(mode)
    data.unlink()
    write_pair(path, "newer")
    assert (path.read_text(), data.read_text()) == ("newer", "newer")
    assert permissions(path) == permissions(data) == mode
    data.chmod(0o444)  # a companion that is replaced keeps its own
    write_pair(path, "newest")
    assert (permissions(path), permissions(data)) == (mode, 0o444)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay(tmp_path: Path) -> None:
    path = tmp_path / "m"
    write_text(path, "old")
    os.chown(path, 12345, 23456)
    path.chmod(0o664)
    write_pair(path, "new")
    for file in (path, tmp_path / "m.data"):
        assert (file.stat().st_uid, file.stat().st_gid, permissions(file)) == (12345, 23456, 0o664)


@posix
def test_an_owner_that_may_not_be_kept_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "m", []
    write_text(path, "old")
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)

    def refuse(file: Path, owner: int, group: int) -> None:
        asked.append((owner, group))
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert asked == ([(-1, 23456), (12345, -1)] if os.geteuid() == 0 else [])


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    store, links = tmp_path / "store", tmp_path / "links"
    for folder in (store, links):
        folder.mkdir()
    (store / "blob").write_text("old")
    (links / "m").symlink_to("../store/blob")
    (links / "again").symlink_to("m")
    with write_whole(links / "again") as temporary:
        assert (temporary.parent.parent, temporary.name) == (store, "blob")
        temporary.write_text("new")
        temporary.with_name("blob.data").write_text("beside it")
    assert sorted(path.name for path in store.iterdir()) == ["blob", "blob.data"]
    assert (store / "blob").read_text() == "new"
    assert os.readlink(links / "m") == "../store/blob"
    assert os.readlink(links / "again") == "m"

    (links / "to come").symlink_to("../store/deeper/blob")
    write_text(links / "to come", "first")
    assert (store / "deeper" / "blob").read_text() == "first"
    assert (links / "to come").is_symlink()


def test_links_in_a_circle_are_no_place(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(ArchspecError, match=r"cannot write .*a: its symbolic links lead in a circle"):
        write_text(tmp_path / "a", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_another_name_of_a_replaced_file_keeps_the_older_content(tmp_path: Path) -> None:
    write_text(tmp_path / "m", "old")
    os.link(tmp_path / "m", tmp_path / "kept")
    write_text(tmp_path / "m", "new")
    assert [(tmp_path / name).read_text() for name in ("m", "kept")] == ["new", "old"]


@pytest.mark.parametrize("name", ["m" * 255, "ü" * 127 + "m"], ids=["255 bytes", "255 bytes of UTF-8"])
def test_names_as_long_as_the_system_takes(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / name, "long")
    assert (tmp_path / name).read_text() == "long"
    with pytest.raises(ArchspecError, match="cannot write"):
        write_text(tmp_path / f"{name}m", "longer")
    assert [path.name for path in tmp_path.iterdir()] == [name]


WITHOUT_RIGHTS = """
import os, sys
from archspec.errors import ArchspecError
from archspec.files import write_text

if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    write_text(sys.argv[1], "new")
except ArchspecError as error:
    sys.exit(f"error: {error}")
"""


@posix
def test_a_write_protected_file_is_not_replaced() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's folders are its user's alone
        folder = Path(name)
        folder.chmod(0o777)
        for mode, code in ((0o444, 1), (0o666, 0)):
            path = folder / f"{mode:o}"
            path.write_text("old")
            path.chmod(mode)
            result = subprocess.run([sys.executable, "-c", WITHOUT_RIGHTS, path], capture_output=True, text=True)
            assert (result.returncode, path.read_text()) == (code, "old" if code else "new"), result.stderr
            assert not code or result.stderr == f"error: cannot write {path}: it is write-protected\n"
        assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArchspecError, match="a file name cannot hold"):
        write_text(tmp_path / name, "text")
    assert not list(tmp_path.iterdir())


def test_companions_are_there_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed between two files leaves each of them, the older or the new one."""
    names, seen = ("m", "m.data"), []

    def write(text: str) -> None:
        with files.write_whole(tmp_path / "m") as temporary:
            for name in names:
                temporary.with_name(name).write_text(text)

    def watch(source: Path, target: Path) -> None:
        seen.append({name: (tmp_path / name).read_text() for name in names})
        replace_file(source, target)

    write("old")
    replace_file = os.replace
    monkeypatch.setattr(os, "replace", watch)
    write("new")
    assert seen == [{"m": "old", "m.data": "old"}, {"m": "old", "m.data": "new"}]


# Full disks


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


SCRATCH = """
import sys
from pathlib import Path
from archspec.errors import ArchspecError
from archspec.files import scratch_folder, write_text

try:
    with scratch_folder() as folder:
        write = write_text if sys.argv[2] == "whole" else Path.write_text
        write(folder / "a", " " * int(sys.argv[1]))
except ArchspecError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.parametrize("how", ["plain", "whole"])
def test_a_full_disk_of_temporary_files_is_named(how: str, tiny_disk: Path) -> None:
    for size, code in ((1_000, 0), (100_000, 1)):
        command = [sys.executable, "-c", SCRATCH, str(size), how]
        result = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"TMPDIR": str(tiny_disk)})
        why = f"cannot write temporary files in {tiny_disk}: No space left on device; set TMPDIR to a folder with room"
        assert (result.returncode, result.stderr) == (code, f"error: {why}\n" if code else "")
    assert list(tiny_disk.iterdir()) == []


def test_other_errors_are_not_the_disks() -> None:
    with pytest.raises(FileNotFoundError), scratch_folder() as folder:
        (folder / "none").read_text()
    with pytest.raises(ArchspecError, match=r"^a mistake$"), scratch_folder():
        raise ArchspecError("a mistake")


def test_no_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(ArchspecError, match=r"No usable temporary directory found; set TMPDIR"), scratch_folder():
        pass


# How errors name files


@pytest.mark.parametrize("name", ["m.onnx", "folder/m.onnx"])
def test_an_error_names_the_target_and_not_the_hidden_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    hidden = []

    def write() -> None:
        with write_whole(name) as temporary:
            hidden.append(temporary.parent.name)
            raise ArchspecError(f"{temporary} does not fit {temporary}.data")

    with pytest.raises(ArchspecError) as caught:
        write()
    assert str(caught.value) == f"{name} does not fit {name}.data"
    assert hidden[0] not in str(caught.value)


def test_other_errors_keep_their_type_and_their_words(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"^elsewhere/m\.onnx is wrong$"), write_whole(tmp_path / "m.onnx"):
        raise ArchspecError("elsewhere/m.onnx is wrong")
    with pytest.raises(ZeroDivisionError), write_whole(tmp_path / "m.onnx"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_an_error_about_a_file_of_a_folder_within_names_the_target(tmp_path: Path) -> None:
    target = tmp_path / "m.onnx"

    def write() -> None:
        with write_whole(target) as temporary:
            within = temporary.parent / "folder" / "float.onnx"
            with renaming(temporary, within):
                raise ArchspecError(f"{within}: ONNX Runtime failed")

    with pytest.raises(ArchspecError) as caught:
        write()
    assert str(caught.value) == f"{target}: ONNX Runtime failed"


def test_a_place_is_tried_and_nothing_is_changed(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    for name in ("there", "new"):
        check_can_write(tmp_path / name)
    with pytest.raises(ArchspecError, match=r"cannot write .*File name too long"):
        check_can_write(tmp_path / ("m" * 300))
    assert os.listdir(tmp_path) == ["there"]
    assert (tmp_path / "there").read_text() == "mine"


@posix
def test_links_are_no_plain_files(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "loop").symlink_to("loop")
    names = ("file", "link", "loop", ".", "nothing", "m" * 300)
    assert [name for name in names if is_plain_file(tmp_path / name)] == ["file"]


def test_a_folder_is_listed_by_name_unless_it_is_too_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "bca":
        (tmp_path / name).touch()
    monkeypatch.setattr(files, "MAX_LISTED", 3)
    assert list_folder(tmp_path) == [tmp_path / name for name in "abc"]
    (tmp_path / "d").mkdir()
    assert list_folder(tmp_path) is None
    assert list_folder(tmp_path / "nothing") is None


def test_the_state_tells_a_file_from_another_that_was_written_at_the_same_time(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_bytes(b"same")
        os.utime(path, ns=(7, 7))
    before = FileState.read(one)
    assert before == FileState.read(one) != FileState.read(other)
    assert before.written == FileState.read(other).written == (4, 7)
    os.replace(other, one)
    assert FileState.read(one) != before
    one.write_bytes(b"longer")
    assert FileState.read(one).written != before.written
