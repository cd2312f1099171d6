"""Names of classes from files: whole, in order, or refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.weights.class_names import read_classes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "cat\ndog\nold bird\n"),
        ("a.txt", "\ufeffcat\r\n dog \r\nold bird\r\n\r\n"),
        ("a.names", "cat\ndog\nold bird"),
        ("a.yaml", "- cat\n- dog\n- old bird\n"),
        ("a.yaml", "names: [cat, dog, old bird]\npath: /data\n"),
        ("data.yaml", "path: x\nnames:\n  '0': cat\n  '1': dog\n  '2': old bird\n"),
        ("a.json", '["cat", "dog", "old bird"]'),
        ("a.json", '{"2": "old bird", "0": "cat", "1": "dog"}'),
    ],
)
def test_every_form_says_the_same(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, newline="")
    assert read_classes(str(tmp_path / name)) == ("cat", "dog", "old bird")


def test_digits_are_names_too(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("[0, 1, 2]")
    assert read_classes(str(tmp_path / "a.yaml")) == ("0", "1", "2")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", b"", r"a\.txt:1:1: error\[bad-classes\]: a class has no name here"),
        ("a.txt", b"cat\n\ndog\n", r"a\.txt:2:1: .*no name here"),
        ("a.txt", b"cat\ndo\x00g\n", r"a\.txt:2:1: .*no control characters"),
        ("a.txt", b"cat\n\x1b[31mred\n", r"a\.txt:2:1: .*no control characters"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00", r"a\.txt holds no names of classes: the byte 0x89 is not UTF-8"),
        ("a.txt", b"a" * 201, r"a\.txt:1:1: .*at most 200 characters, found 201"),
        ("a.txt", b"a\n" * (1 << 20), "is larger than 1,048,576 bytes"),
        ("a.yaml", b"- cat\n- true\n", r"a\.yaml:2:3: .*a text: put it in quotes"),
        ("a.yaml", b"- cat\n- [n01, dog]\n", r"a\.yaml:2:3: .*a text"),
        ("a.yaml", b"- cat\n- 1.5\n", r"a\.yaml:2:3: .*a text"),
        ("a.yaml", b"0: cat\n", r"a\.yaml:1:1: .*quote a number"),
        ("a.yaml", b"", r"a\.yaml:1:1: .*the document is empty; a file of names of classes is wanted"),
        ("a.yaml", b"[]", r"a\.yaml:1:1: .*no names here"),
        ("a.yaml", b"{}", r"a\.yaml:1:1: .*no names here"),
        ("a.yaml", b"names: cat\n", r"a\.yaml:1:1: .*expected a list of names"),
        ("a.yaml", b"cat", r"a\.yaml:1:1: .*expected a list of names"),
        ("a.yaml", b"'0': cat\n'2': dog\n", r"a\.yaml:2:1: .*2 names by number need the numbers 0 to 1, found 2"),
        ("a.json", b'{"cat": 0, "dog": 1}', r"a\.json:1:2: .*need the numbers 0 to 1, found cat, dog"),
        ("a.json", b'{"0": "cat", "0": "dog"}', r"a\.json:1:\d+: "),
        ("a.json", b"\x93NUMPY\x01\x00", "this is a NumPy array, not a file of names of classes"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(name: str, text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(ArchspecError, match=message):
        read_classes(str(tmp_path / name))


def test_classes_of_one_name_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_text("crane\nmaillot\ncrane\nmaillot\ncrane\n")
    assert len(read_classes(str(tmp_path / "a.txt"))) == 5
    assert caplog.messages == [f"{tmp_path}/a.txt: 2 names of several classes, as 'crane' of 0, 2, 4"]


def test_sets_come_with_the_package(tmp_path: Path) -> None:
    assert (len(read_classes("imagenet")), len(read_classes("voc"))) == (1000, 21)
    with pytest.raises(ArchspecError, match="no set of classes is called 'imagnet'; did you mean 'imagenet'"):
        read_classes("imagnet")
    with pytest.raises(ArchspecError, match="is no file of names"):
        read_classes(str(tmp_path))
