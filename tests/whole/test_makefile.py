"""What the Makefile names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def list_paths(text: str) -> set[str]:
    """The files, folders and modules of the tree that a Makefile names."""
    paths = set(re.findall(r"(?<![\w./-])(?:tests|docs|benchmarks|specs)/[\w./-]*", text))
    modules = re.findall(r"-m ((?:tests|docs|benchmarks|archspec)(?:\.\w+)+)", text)
    return paths | {f"{module.replace('.', '/')}.py" for module in modules}


def test_every_path_of_the_makefile_is_there() -> None:
    found = list_paths((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert "tests/old_runtimes/environments.py" in found
    assert [path for path in found if not (ROOT / path).exists()] == []


def test_a_path_that_is_not_there_is_found() -> None:
    """The control."""
    assert list_paths("\t$(BIN)/pytest -m runtimes tests/runtimes\n\tpython -m tests.nowhere.x\n") == {
        "tests/runtimes",
        "tests/nowhere/x.py",
    }
