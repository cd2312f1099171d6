"""Whether a model file is still what was written."""

from __future__ import annotations

from pathlib import Path

from runtime.extras import extra
from runtime.verification.checks import Check
from runtime.verification.facts import ModelFacts

with extra("run"):
    from compiler.onnx_source.content import read_content

HASH = 12
"""Digits of a hash in a text."""


def check_content(facts: ModelFacts) -> Check:
    """The hash of a file's graph and numbers, against the one that it was written with.

    Raises ArchspecError where the file cannot be read.
    """
    content = read_content(Path(facts.path))
    if content.said is None:
        return Check("content", "noted", "the file does not say what it was when it was written")
    if content.said == content.found:
        numbers = f"all {facts.numbers:,} numbers" if facts.numbers else "metadata"
        return Check("content", "passed", f"graph and {numbers} are those that were exported: {content.found[:HASH]}")
    was = f"this is not what was exported: its content is {content.found[:HASH]}, and it says {content.said[:HASH]}"
    return Check(
        "content", "failed", f"{was}; export it again, or remove its archspec.* metadata if it was changed on purpose"
    )
