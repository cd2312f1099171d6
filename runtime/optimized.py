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
from runtime.log import warn
from runtime.model_file import check_model_file
from runtime.older_data import find_older_data
from runtime.provenance import Provenance, list_states, read_provenance, write_provenance
from runtime.settings import new_options

with extra("run"):
    import onnxruntime as ort

    from compiler.content import CONTENT, name_data
    from compiler.onnx_source.content import read_content
    from compiler.onnx_source.external import check_external_data, list_data
    from compiler.onnx_source.skim import read_metadata, skip_numbers

X86 = ("x86_64", "AMD64", "i386", "i686")
EXTERNAL_WEIGHTS = "session.optimized_model_external_initializers_file_name"


def write_optimized(path: str | Path) -> Path:
    """Let ONNX Runtime optimize the model in `path` for this processor, and write the result beside it; its place.

    A Session on the CPU loads it instead of `path` for as long as the model's content, the runtime and the instructions
    are the same. Raises ArchspecError where the model is not what this program exported, where the system does not say
    what its processor can do, and where the file cannot be written.
    """
    path = Path(path)
    names = (path.name, *check_model_file(path).data)
    before = list_states(path, names)
    content = read_content(path)
    if content.said != content.found:
        problem = "does not say what its content is" if content.said is None else "is not what was exported"
        raise ArchspecError(f"{path} {problem} ({CONTENT}): export it again")
    tied = describe_runtime()
    if tied is None:
        raise ArchspecError("this system does not say which instructions its processor has: nothing to optimize for")
    target = _place(path, tied)
    with write_whole(target, find_older_data) as temporary:
        _optimize(path, temporary, content.found)
        data = check_model_file(temporary).data
        if read_metadata(temporary).get(CONTENT) != content.found:  # which ONNX Runtime does not always notice
            raise ArchspecError(f"{temporary.name} is incomplete: is the disk full?")
        write_provenance(temporary, Provenance(tied, content.found, before), data)
        if list_states(path, names) != before:
            raise ArchspecError(f"{path} was written while it was read")
    return target


def find_optimized(path: str | Path) -> Path | None:
    """The file that may be loaded instead of `path`, here and now, if there is one. Where one was made from another
    model than `path` is now, or is itself not what was written, the log says so."""
    try:
        return examine_optimized(path)
    except ArchspecError as error:
        warn(str(error))
        return None


def examine_optimized(path: str | Path, *, trust_times: bool = True) -> Path | None:
    """The same, but raises ArchspecError where one is there that may not be used. Unless times are trusted, all numbers
    are read."""
    path, tied = Path(path), describe_runtime()
    if tied is None or not os.path.isfile(beside := _place(path, tied)):  # Path's own raises on names that are too long
        return None
    try:
        facts = read_provenance(beside, trust_times=trust_times)
        if facts.tied != tied:
            raise ArchspecError(f"it was made for {facts.tied}")
        same = trust_times and _is_as_it_was(path, facts)
        if not same and read_content(path).found != facts.content:
            raise ArchspecError(f"{path.name} is not the model that it was made from")
    except ArchspecError as error:
        raise ArchspecError(describe_unused(beside, path, error)) from error
    return beside


def describe_unused(beside: Path, path: Path, error: ArchspecError) -> str:
    """That an optimized file is not used, why, and what to do."""
    return f"{beside} is not used: {error}; export {path.name} again with --optimized, or remove it"


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


def _is_as_it_was(path: Path, facts: Provenance) -> bool:
    """Whether the files of a model have the length and time that they had. Its own comes first, and most have no other:
    their nodes are not read."""
    data = list_data(check_external_data(skip_numbers(path), path)) if len(facts.model) > 1 else ()
    return list_states(path, (path.name, *data)) == facts.model


def _optimize(source: Path, target: Path, content: str) -> None:
    options = new_options()
    try:
        options.optimized_model_filepath = os.fspath(target)  # which must be UTF-8
        # Weights in a file of their own are mapped, not parsed and copied: a fifth of the time to load.
        options.add_session_config_entry(EXTERNAL_WEIGHTS, name_data(target.name, content))
        ort.InferenceSession(os.fspath(source), options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise ArchspecError(f"{source}: ONNX Runtime cannot optimize it: {shorten(error)}") from error
