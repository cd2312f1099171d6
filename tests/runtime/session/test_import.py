"""What loading a session brings in: onnx and ONNX Runtime, and of the compiler the format of files alone."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("torch", "pydantic", "networkx", "rich", "typer", "yaml", "scipy", "PIL", "archspec.ops", "archspec.spec")


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


def test_what_is_unwanted_would_be_found() -> None:
    """The control."""
    assert {"archspec.ops", "compiler.graph"} <= list_unwanted(list_modules("import compiler.graph"))
