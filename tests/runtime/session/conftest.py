"""One export with its optimized form for all tests here, and a copy for each."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runtime.session.form_writer import write_optimized
from tests.support.optimized_exports import export


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = export(tmp_path_factory.mktemp("made"))
    write_optimized(path)
    return path


@pytest.fixture
def model(made: Path, tmp_path: Path) -> Path:
    """A model with its optimized file, to spoil."""
    shutil.copytree(made.parent, tmp_path, dirs_exist_ok=True)
    return tmp_path / made.name
