"""A model → ONNX Runtime's own optimized form of it, in a file beside it."""

from __future__ import annotations

import os
from pathlib import Path

from archspec.errors import InputError, ModelError, RuntimeFailure
from archspec.extras import extra
from archspec.files import check_can_write, write_whole
from compiler.onnx_file.companions import find_older_data, name_data
from compiler.onnx_file.metadata import CONTENT
from runtime.session.failures import shorten
from runtime.session.model_file import ModelFile, check_unwritten, read_state
from runtime.session.optimized_form import describe_runtime, place_form
from runtime.session.provenance import Provenance, write_provenance
from runtime.session.start import start

with extra("run"):
    from compiler.onnx_file.content import read_content, read_fingerprint
    from compiler.onnx_file.digest import OTHER_HASH

EXTERNAL_WEIGHTS = "session.optimized_model_external_initializers_file_name"

NOT_ON_CPUS = ("bf16",)
"""Precisions in which ONNX Runtime's CPU provider computes nothing, so that it optimizes nothing; a test asks it."""


def check_can_optimize(path: str | Path, precision: str) -> None:
    """Raise ArchspecError where no form of a model of this name and precision can be written here: before any work."""
    if precision in NOT_ON_CPUS:
        raise InputError(
            f"--optimized is a form for this CPU, on which ONNX Runtime computes nothing in {precision}: leave it out "
            "(GPUs run the file as it is), or export in fp32 or fp16"
        )
    beside = place_form(Path(path), _describe_runtime())
    for file in (beside, beside.with_name(name_data(beside.name, "0" * 64))):  # which may be as long as any
        check_can_write(file)


def write_optimized(path: str | Path) -> Path:
    """Let ONNX Runtime optimize the model in `path` for this processor, and write the result beside it. Returns its
    place.

    A Session on the CPU loads it instead of `path` for as long as the model, the runtime and the instructions are the
    same. Raises ArchspecError where the model is not what this program exported, where the system does not say
    what its processor can do, and where the file cannot be written.
    """
    model = ModelFile.open(path).check()
    path = model.path
    before = {file: read_state(file) for file in (path, *(path.parent / name for name in model.data))}
    content = read_content(path)
    if content.said != content.found:
        other = "is not what was exported" if content.comparable else OTHER_HASH
        problem = "does not say what its content is" if content.said is None else other
        raise ModelError(f"{path} {problem} ({CONTENT}): export it again")
    tied = _describe_runtime()
    target = place_form(path, tied)
    with write_whole(target, find_older_data) as temporary:
        _optimize(path, temporary, content.found)
        form = ModelFile.open(temporary).check()
        if form.metadata.get(CONTENT) != content.found:  # which ONNX Runtime does not always notice
            raise InputError(f"{temporary.name} is incomplete: is the disk full?")
        written = tuple(state.written for state in before.values())
        write_provenance(temporary, Provenance(tied, content.found, read_fingerprint(path), written), form.data)
        for file, state in before.items():
            check_unwritten(file, state)
    return target


def _describe_runtime() -> str:
    tied = describe_runtime()
    if tied is None:
        raise RuntimeFailure("this system does not say which instructions its processor has: nothing to optimize for")
    return tied


def _optimize(source: Path, target: Path, content: str) -> None:
    # Weights in a file of their own are mapped, not parsed and copied: a fifth of the time to load.
    weights = {EXTERNAL_WEIGHTS: name_data(target.name, content)}
    try:
        start(source, attributes={"optimized_model_filepath": os.fspath(target)}, entries=weights)  # in UTF-8
    except Exception as error:  # onnxruntime's exceptions have no common base but this
        raise RuntimeFailure(f"{source}: ONNX Runtime cannot optimize it: {shorten(error)}") from error
