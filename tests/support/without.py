"""Python without some of its packages, for the tests of what happens then."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]

# A finder that says no, as an empty site-packages would: None in sys.modules misleads those who look there.
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Block())
"""


def run_without(modules: Sequence[str], code: str) -> str:
    """What `code` prints in a Python where those modules cannot be imported."""
    program = BLOCK.format(modules=tuple(modules)) + code
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
