"""The command doctor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_doctor_tells_versions_and_never_fails() -> None:
    report = json.loads(subprocess_stdout("doctor", "--json"))
    assert report["versions"]["torch"]
    assert {attempt["provider"] for attempt in report["attempts"]} == {"tensorrt", "cuda", "cpu"}


def subprocess_stdout(*words: str | Path) -> str:
    """Standard output alone: a missing GPU is said on the other one."""
    command = [sys.executable, "-m", "archspec", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
