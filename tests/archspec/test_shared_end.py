"""Of several processes the first that has an error says it, and ends them all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from archspec.cli.main import main
from archspec.errors import ArchspecError, InputError, ModelError, RuntimeFailure
from archspec.shared_end import VARIABLE, claiming, has_ended


def claim_error(error: ArchspecError) -> bool:
    with claiming(error) as is_first:
        return is_first


def test_a_process_that_is_alone_says_its_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert claim_error(InputError("a"))
    assert claim_error(InputError("a"))
    assert not has_ended()


def test_an_error_that_would_come_again_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ended"))
    assert claim_error(RuntimeFailure("another process has ended"))
    assert not has_ended(), "the others may begin anew"
    assert claim_error(InputError("a"))
    assert has_ended()
    assert not claim_error(ModelError("b"))
    assert not claim_error(RuntimeFailure("another process has ended"))


def test_the_others_wait_until_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for ever: the first may be killed before."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ended"))
    said: list[str] = []
    with claiming(InputError("a")) as is_first:
        other = threading.Thread(target=lambda: said.append(f"the other: {claim_error(InputError('a'))}"))
        other.start()
        other.join(0.2)
        said.append(f"the first: {is_first}")
    other.join()
    assert said == ["the first: True", "the other: False"]
    (tmp_path / "ended").write_bytes(b"")
    monkeypatch.setattr("archspec.shared_end.PATIENCE", 0.05)
    assert not claim_error(InputError("a"))


def test_where_nothing_can_be_noted_each_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing" / "ended"))
    assert claim_error(InputError("a"))
    assert claim_error(InputError("a"))


def test_a_process_that_begins_anew_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["archspec", "--version"])
    monkeypatch.setenv(VARIABLE, str(tmp_path / "ended"))
    (tmp_path / "ended").touch()
    main()
    assert capsys.readouterr().out == ""
    (tmp_path / "ended").unlink()  # the control
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out.startswith("archspec ")
