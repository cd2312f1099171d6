"""Where specs are found: by name in the zoo, in files, and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from archspec.errors import SpecError
from archspec.spec.load import load, read_spec
from archspec.spec.zoo import ZOO, find_spec, zoo_specs
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import HEAD, LIBRARY, codes, mistakes_in, write


def test_a_folder_hides_no_spec_of_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run's folder often has the name of its spec; a file of that name does hide it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet50").mkdir()
    assert find_spec("resnet50") == ZOO / "resnet" / "resnet50.yaml"
    (tmp_path / "resnet18").write_text("archspec: 1\n")
    assert find_spec("resnet18") == Path("resnet18")


def test_zoo_is_found_by_name() -> None:
    assert {"resnet50", "residual_mlp", "unet"} <= set(zoo_specs())
    assert "resnet" not in zoo_specs()  # a library
    assert find_spec("resnet50") == ZOO / "resnet" / "resnet50.yaml"


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("resnt50", "unknown-spec", "did you mean 'resnet50'?"),
        ("zzzzzzz", "unknown-spec", "`archspec list` shows the zoo"),
        ("nowhere.yaml", "unreadable", "No such file"),
        ("no/where", "unreadable", "No such file"),
        ("", "unreadable", "directory"),
        (".", "unreadable", "this is a directory, not a spec"),
        ("a\0b", "unreadable", "a path holds no NUL"),
        ("n" * 5000, "unreadable", "File name too long"),
        ("n" * 5000 + ".yaml", "unreadable", "File name too long"),
        ("/dev/null", "unreadable", "not a regular file"),
        ("/dev/zero", "unreadable", "not a regular file"),
        ("/etc/passwd/spec.yaml", "unreadable", "Not a directory"),
    ],
)
def test_what_is_no_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, code: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError) as caught:
        read_spec(source)
    (mistake,) = caught.value.diagnostics
    assert (mistake.code, mistake.place.line) == (code, 0)
    assert ":0" not in str(mistake)
    assert message in mistake.message


def test_what_is_no_plain_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    for name in ("fifo.yaml", "loop.yaml", "zero.yaml", "folder.yaml"):
        with pytest.raises(SpecError) as caught:
            read_spec(tmp_path / name)
        assert codes(list(caught.value.diagnostics)) == ["unreadable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_file_without_the_right_to_read_it(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "network: []\n")
    path.chmod(0)
    with pytest.raises(SpecError, match="Permission denied"):
        read_spec(path)


def test_link_to_a_spec_is_a_spec(tmp_path: Path) -> None:
    write(tmp_path, LIBRARY, "real/lib.yaml")
    write(tmp_path, HEAD + "import: [lib]\nnetwork: [unit: {width: 1}]\n", "real/spec.yaml")
    (tmp_path / "link.yaml").symlink_to(tmp_path / "real" / "spec.yaml")
    assert len(elaborate(load(tmp_path / "link.yaml"))) == 3


def test_file_in_the_working_folder_is_shown_by_its_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, HEAD + "network: [rellu]\n", "deep/spec.yaml")
    monkeypatch.chdir(tmp_path)
    assert str(mistakes_in(path)[0]).startswith("deep/spec.yaml:3:11: error[unknown-node]")
    assert str(mistakes_in("deep/spec.yaml")[0].place) == "deep/spec.yaml:3:11"
