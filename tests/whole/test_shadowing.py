"""Another module called `compiler` or `runtime` in the way of ours: said at import, in one line that names the file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMPORT = """
try:
    import archspec
except ImportError as error:
    print(error)
else:
    print("fine")
"""


def import_archspec(*path: Path, first: str = "") -> str:
    """What `import archspec` has to say in a fresh process whose PYTHONPATH is `path`."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", first + IMPORT]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.rstrip("\n")


def write(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("answer = 42\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ["compiler", "runtime"])
@pytest.mark.parametrize("form", ["{}.py", "{}/__init__.py"])
def test_stranger_in_the_way_is_named(tmp_path: Path, name: str, form: str) -> None:
    stranger = write(tmp_path / form.format(name))
    message = import_archspec(tmp_path, ROOT)
    assert str(stranger) in message
    assert name in message.replace(str(stranger), "")
    assert "\n" not in message


@pytest.mark.parametrize("name", ["compiler", "runtime"])
def test_stranger_that_was_imported_before_is_named(tmp_path: Path, name: str) -> None:
    stranger = write(tmp_path / f"{name}.py")
    assert str(stranger) in import_archspec(tmp_path, ROOT, first=f"import {name}")


def test_nothing_is_said_where_nothing_is_in_the_way() -> None:
    assert import_archspec(ROOT) == "fine"


def test_stranger_behind_ours_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path / "compiler.py")
    assert import_archspec(ROOT, tmp_path) == "fine"


def test_folder_without_init_is_no_matter(tmp_path: Path) -> None:
    write(tmp_path / "compiler" / "notes.txt")
    assert import_archspec(tmp_path, ROOT) == "fine"
