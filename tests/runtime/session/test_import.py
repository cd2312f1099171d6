"""What loading a session brings in: onnx and ONNX Runtime, and of the compiler the format of files alone."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "pydantic", "networkx", "rich", "typer", "yaml", "scipy", "PIL", "archspec.ops", "archspec.spec")

RARE = ("logging", "hashlib", "difflib", "xxhash", "runtime.session.provenance", "runtime.session.tensorrt")
"""What some sessions need, and is loaded by these: warnings, hashes of optimized forms, words that are near."""


def list_modules(code: str) -> set[str]:
    """The modules that a fresh process has loaded after this."""
    command = [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def list_unwanted(loaded: set[str]) -> set[str]:
    compiler = {name for name in loaded if name.startswith("compiler.")}
    allowed = {name for name in compiler if name.startswith("compiler.onnx_file.")} | {"compiler.onnx_file"}
    heavy = {name for name in loaded if any(name == each or name.startswith(f"{each}.") for each in HEAVY)}
    return heavy | (compiler - allowed)


def test_a_session_loads_no_compiler_and_no_torch() -> None:
    loaded = list_modules("from runtime.session import Session")
    assert {"onnx", "onnxruntime", "runtime.session.session"} <= loaded
    assert list_unwanted(loaded) == set()


def test_a_session_loads_what_it_rarely_needs_when_it_needs_it() -> None:
    """Beside what onnx and ONNX Runtime load themselves."""
    theirs = list_modules("import onnx, onnxruntime")
    assert not (list_modules("from runtime.session import Session") - theirs) & set(RARE)
    assert set(RARE) <= list_modules(f"import {', '.join(RARE)}")


def test_what_is_unwanted_would_be_found() -> None:
    """The control."""
    assert {"archspec.ops", "compiler.graph"} <= list_unwanted(list_modules("import compiler.graph"))
