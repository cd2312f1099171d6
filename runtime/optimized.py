"""ONNX Runtime's own optimized form of a model, in a file beside it: found again by the model it was made from, and by
the runtime's version and the processor's instructions, to which it is tied."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import Any

from archspec.errors import ArchspecError
from archspec.files import write_whole
from runtime.cpu import read_instructions
from runtime.extras import extra
from runtime.failures import shorten
from runtime.model_file import check_model_file
from runtime.older_data import find_older_data
from runtime.settings import new_options

with extra("run"):
    import onnx
    import onnxruntime as ort

    from compiler.content import CONTENT
    from compiler.onnx_source.skim import METADATA, OPTIMIZED_FOR, read_metadata
    from compiler.onnx_target.write import name_data
    from compiler.protobuf import delimit

X86 = ("x86_64", "AMD64", "i386", "i686")
EXTERNAL_WEIGHTS = "session.optimized_model_external_initializers_file_name"


def write_optimized(path: str | Path) -> Path:
    """Let ONNX Runtime optimize the model in `path` for this processor, and write the result beside it; its place.

    A Session on the CPU loads it instead of `path` for as long as model, runtime and instructions are the same. Raises
    ArchspecError where the model was not exported by this program, where the system does not say what its processor
    can do, and where the file cannot be written.
    """
    path = Path(path)
    check_model_file(path)
    identity = read_metadata(path).get(CONTENT)
    if identity is None:
        raise ArchspecError(f"{path} does not say which model it is ({CONTENT}): export it again")
    tied = describe_runtime()
    if tied is None:
        raise ArchspecError("this system does not say which instructions its processor has: nothing to optimize for")
    target = _place(path, tied)
    with write_whole(target, find_older_data) as temporary:
        _optimize(path, temporary, identity)
        entry = onnx.StringStringEntryProto(key=OPTIMIZED_FOR, value=tied)
        with temporary.open("ab") as file:  # fields of a message may come in any order, and behind the others
            file.write(delimit(METADATA, entry.SerializeToString(deterministic=True)))
        _check_complete(temporary, identity, tied)
    return target


def find_optimized(path: str | Path) -> Path | None:
    """The file that may be loaded instead of `path`, here and now, if there is one; it is not checked yet."""
    path, tied = Path(path), describe_runtime()
    if tied is None or not os.path.isfile(beside := _place(path, tied)):  # Path's own raises on names that are too long
        return None
    try:
        found, wanted = read_metadata(beside), read_metadata(path)
    except ArchspecError:
        return None
    same = CONTENT in wanted and (found.get(CONTENT), found.get(OPTIMIZED_FOR)) == (wanted[CONTENT], tied)
    return beside if same else None


def leave_as_is(options: Any) -> None:
    """Set an onnxruntime.SessionOptions for a model that is optimized already."""
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


@functools.cache
def describe_runtime() -> str | None:
    """What an optimized file is tied to, as in `ort1.31.1-avx2-avx512-vnni`; None where that cannot be known.

    The block of the blocked layout follows the width of the vectors, and the form of int8 sums their instructions.
    """
    instructions = read_instructions()
    if platform.machine() in X86:
        return "-".join([f"ort{ort.__version__}", *instructions]) if instructions else None
    return f"ort{ort.__version__}-{platform.machine().lower()}"


def _place(path: Path, tied: str) -> Path:
    return path.with_name(f"{path.stem}.{tied}{path.suffix}")


def _optimize(source: Path, target: Path, identity: str) -> None:
    options = new_options()
    try:
        options.optimized_model_filepath = os.fspath(target)  # which must be UTF-8
        # Weights in a file of their own are mapped, not parsed and copied: a fifth of the time to load.
        options.add_session_config_entry(EXTERNAL_WEIGHTS, name_data(target.name, identity))
        ort.InferenceSession(os.fspath(source), options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise ArchspecError(f"{source}: ONNX Runtime cannot optimize it: {shorten(error)}") from error


def _check_complete(path: Path, identity: str, tied: str) -> None:
    """ONNX Runtime does not always notice that a disk is full. Raises ArchspecError."""
    check_model_file(path)
    found = read_metadata(path)
    if (found.get(CONTENT), found.get(OPTIMIZED_FOR)) != (identity, tied):
        raise ArchspecError(f"{path.name} is incomplete: is the disk full?")
