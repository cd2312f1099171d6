"""A folder with a spec and the rules of its names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.conversion import RULES, SPEC


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "net.weights.yaml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path
