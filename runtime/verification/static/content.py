"""The check whether a model file is still what was written."""

from __future__ import annotations

import shlex
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.extras import extra
from runtime.session.provenance import read_provenance
from runtime.verification.checks import Check
from runtime.verification.model.facts import ModelFacts

with extra("run"):
    from compiler.onnx_file.content import read_content
    from compiler.onnx_file.digest import OTHER_HASH, abbreviate, is_content
    from compiler.onnx_file.metadata import CONTENT, OPTIMIZED

FORGET = (
    "import onnx,sys;(path := sys.argv[1], model := onnx.load(path, load_external_data=False), "
    f"[model.metadata_props.remove(entry) for entry in [*model.metadata_props] if entry.key == '{CONTENT}'], "
    "onnx.save(model, path))"
)
"""Python that has a file no longer say its content. Its second statement is one expression, which a terminal may break
into lines."""


def check_content(facts: ModelFacts) -> Check:
    """The hash of a file's graph and numbers, against the one that it was written with.

    Raises ArchspecError where the file cannot be read.
    """
    if OPTIMIZED in facts.metadata:
        return _check_sealed(Path(facts.path))
    content = read_content(Path(facts.path))
    if content.said is None:
        return Check("content", "noted", "the file does not say what it was when it was written")
    if content.said == content.found:
        numbers = f"all {facts.numbers:,} numbers" if facts.numbers else "metadata"
        return Check(
            "content", "passed", f"graph and {numbers} are those that were exported: {abbreviate(content.found)}"
        )
    if not content.comparable:
        return Check("content", "noted", f"the file {OTHER_HASH}: whether it was changed is not known")
    return Check("content", "failed", _describe_change(facts, content.found, content.said))


def _describe_change(facts: ModelFacts, found: str, said: str) -> str:
    """Tell that a file is no export any more, who made it from one, as far as it says that, and what to do."""
    numbers = f"its content is {abbreviate(found)}, and it says {abbreviate(said)}"
    maker = facts.producer.partition(" ")[0]
    who = f"; {maker} made it from an export and kept what that said of itself" if maker != "archspec" else ""
    again = "quantize by `archspec export --precision int8`" if who and facts.dtype == "int8" else "export it again"
    forget = f'python -c "{FORGET}" {shlex.quote(facts.path)}'
    return (
        f"this is not what was exported: {numbers}{who}; {again}, or, if it was changed on purpose, have it no longer "
        f"say its content: {forget}"
    )


def _check_sealed(path: Path) -> Check:
    try:
        content = read_provenance(path, trust_times=False).content
    except ArchspecError as error:
        return Check("content", "failed", f"this is no optimized form as it was written: {error}")
    if not is_content(content):
        return Check(
            "content", "noted", f"an optimized form as it was written, which no session loads: it {OTHER_HASH}"
        )
    return Check("content", "passed", f"the optimized form of the model {abbreviate(content)}, as it was written")
