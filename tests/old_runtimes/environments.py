"""An environment for each ONNX Runtime of the matrix: `python -m tests.old_runtimes.environments` makes those that are
missing, in a folder that git ignores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[2] / ".runtimes"

RUNTIMES: Mapping[str, str] = {
    "1.16.3": "numpy<2",
    "1.18.1": "numpy<2",
    "1.20.1": "numpy",
    "1.22.1": "numpy",
    "1.24.4": "numpy",
}
"""The versions, each with the numpy that it was built for."""

CURRENT = "current"
"""The one that the project is developed with, in its own environment."""


def find_python(version: str) -> Path | None:
    """The interpreter of a runtime's environment, where that was made to the end."""
    if version == CURRENT:
        return Path(sys.executable)
    folder = FOLDER / version
    return _python(folder) if (folder / "ready").exists() else None


def make_environment(version: str) -> str | None:
    """Make one; what went wrong, if it did: no network, or no wheels for this Python."""
    folder = FOLDER / version
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(_python(folder)), "-m", "pip", "install", "--quiet", f"onnxruntime=={version}", RUNTIMES[version]],
    ]
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return (done.stderr.strip().splitlines() or ["no reason given"])[-1]
    (folder / "ready").touch()
    return None


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def main() -> None:
    for version in RUNTIMES:
        problem = None if find_python(version) else make_environment(version)
        print(f"ONNX Runtime {version}: {problem or 'ready'}", flush=True)


if __name__ == "__main__":
    main()
