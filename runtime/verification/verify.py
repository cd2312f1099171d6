"""Verify a model file: it is sound, runs at several sizes, and agrees with a witness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.extras import extra
from archspec.files import as_argument
from compiler.onnx_file.metadata import OPTIMIZED
from runtime.session.optimized_form import find_model
from runtime.session.sizes import name_sizes
from runtime.verification.checks import Check, UnansweredError
from runtime.verification.model.facts import ModelFacts, read_facts
from runtime.verification.model.inside import ModelInside
from runtime.verification.options import DEFAULTS, Original, VerifyOptions
from runtime.verification.report import Verification
from runtime.verification.runs.optimized_form import check_optimized
from runtime.verification.runs.runs import check_runs, make_comparator
from runtime.verification.static.content import check_content
from runtime.verification.static.metadata_row import check_metadata
from runtime.verification.static.stored_numbers import check_stored
from runtime.verification.static.training_mode import check_training

with extra("run"):
    from compiler.onnx_file.skim import check_text


def verify(
    path: str | Path,
    original: Original | None = None,
    options: VerifyOptions = DEFAULTS,
    on_check: Callable[[str], None] = lambda check: None,
) -> Verification:
    """Check a model file in ONNX Runtime, by itself and, where it is given, against its original; what it is held
    against stays on CPUs. `on_check` hears the name of each check that may take long before it begins.

    Raises MissingExtra; ModelError where a name is no text; ArchspecError where options do not fit the file, or weights
    their network; UnansweredError for the optimized form of a model, which is verified with that.
    """
    try:
        inside = ModelInside(path)
        facts = read_facts(inside)
    except ArchspecError as error:
        return Verification(None, (Check("file", "failed", str(error)),))
    check_text(inside.file.head, inside.path)
    options = replace(options, sizes=name_sizes(options.sizes, inside.file.inputs))
    on_check("content")
    content = check_content(facts)
    if OPTIMIZED in facts.metadata:
        if content.status == "failed":
            return Verification(facts, (_check_file(facts), content))
        raise UnansweredError(_describe_form(inside.path, content.text))
    checks = [_check_file(facts), content, check_stored(inside, facts), check_training(inside)]
    checks += check_metadata(inside, facts)
    try:
        checks += check_runs(inside, facts, options, on_check)
        checks += check_optimized(inside, options, make_comparator(inside, facts, options).compare)
    except UnansweredError as error:
        if all(check.status != "failed" for check in checks):
            raise
        return Verification(facts, (*checks, Check("runs", "noted", f"not told: {error}")))  # it is bad all the same
    if original is None:
        return Verification(facts, tuple(checks))
    from runtime.verification.source.comparison import compare_with_source  # which needs torch

    on_check("torch")
    more, bisection = compare_with_source(inside, facts, original, options)
    return Verification(facts, (*checks, *more), bisection)


def _describe_form(path: Path, what: str) -> str:
    """Tell what a form is, and which model to verify in its place."""
    model = find_model(path)
    where = f": archspec verify {as_argument(model)}" if model else ", which is not in its folder"
    return (
        f"{path} is {what}. No witness knows its operations, which are ONNX Runtime's own: verify the model, which "
        f"proves the form that a session here loads in its place{where}"
    )


def _check_file(facts: ModelFacts) -> Check:
    files = f"{1 + len(facts.data)} files" if facts.data else "one file"
    found = (
        f"opset {facts.opset}, IR version {facts.ir_version}, {facts.nodes:,} nodes, {facts.bytes:,} bytes in {files}"
    )
    return Check("file", "passed", f"onnx's checker finds it sound: {found}")
