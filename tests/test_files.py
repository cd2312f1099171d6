"""A file that does not appear is named as the user named it."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from archspec.files import write_whole


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
