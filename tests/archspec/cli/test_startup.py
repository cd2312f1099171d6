"""Which modules short commands import: what a command does not need is not loaded, and adds nothing to its time.

`benchmarks/startup.py` says what each costs. A module that is new here has to be worth its milliseconds.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

OURS = ("archspec", "compiler", "runtime")
SEVERAL = ("archspec.ops", "archspec.spec", "compiler.analysis.paths", "compiler.elaborate.words")
"""Packages of ours that are loaded as a whole, or nearly."""

COMMAND_LINE = {
    *("archspec.cli", "archspec.cli.commands", "archspec.cli.ending", "archspec.cli.examples", "archspec.cli.main"),
    *("archspec.cli.completion", "archspec.cli.options", "archspec.cli.output", "archspec.errors", "archspec.files"),
    *("archspec.bounds", "archspec.last_resort", "archspec.precision", "archspec.signals", "archspec.telemetry"),
    *("archspec.shared_end", "archspec.wording"),
}
ANALYZE = {"archspec.cli.analysis", "archspec.cli.analysis.analyze"}
NOT_FOR_A_VERSION = {
    *("archspec.bounds", "archspec.cli.completion", "archspec.cli.options", "archspec.files", "archspec.precision"),
}
COMPILER = {
    *(
        "archspec.api",
        "archspec.arguments",
        "archspec.cli.allowing",
        "archspec.file_types",
        "archspec.ops",
        "archspec.spec",
    ),
    *("runtime.verification", "runtime.verification.proof", "runtime.verification.proof.cases"),
    *("archspec.extras", "archspec.strict_json", "compiler.onnx_file.metadata", "compiler.analysis"),
} | {
    f"compiler.{name}"
    for name in (
        *("graph", "graph_check", "mismatch", "scope_tree", "onnx_file", "onnx_file.accepted"),
        *("elaborate", "elaborate.builder", "elaborate.elaborate", "elaborate.evaluator", "elaborate.reporter"),
        *(
            "elaborate.bodies",
            "elaborate.build",
            "elaborate.residuals",
            "elaborate.sharing",
            "elaborate.scope",
            "elaborate.walk",
            "elaborate.words",
        ),
        *("sizes", "sizes.accepted_sizes", "sizes.extents", "sizes.laws", "sizes.size_values", "sizes.shapes_by_size"),
        *("sizes.conditions", "sizes.nearest_sizes", "elaborate.fixed_sizes", "rule_table"),
        *("analysis.analysis_cache", "analysis.certainty", "analysis.cost", "analysis.cost.conventions"),
        *("analysis.cost.cost", "analysis.cost.node", "analysis.memory", "analysis.memory.memory"),
        *("analysis.memory.saved", "analysis.memory.setup", "analysis.paths", "analysis.report"),
        *("analysis.check", "analysis.types", "analysis.unknown"),
    )
}
TYPER = {"annotated_doc", "shellingham", "typer"}
READING = TYPER | {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yaml"}
HELP = TYPER | {"markdown_it", "mdurl", "pygments", "rich"}
NOT_ASKED_FOR = {"_cython_3_1_4", "_distutils_hack", "attr", "cython_runtime"}
"""What packages of others load where it is there."""

CODE = """
import contextlib, io, sys
from archspec.cli.main import main
sys.argv = ["archspec", *sys.argv[1:]]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main()
print(*sys.modules, file=sys.stderr)
"""


def list_modules(*words: str) -> tuple[set[str], set[str]]:
    """What `archspec WORDS` has loaded at its end: our modules, and the packages of others, without Python's own."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True)
    names = {name for name in done.stderr.split() if name != "__main__" and not name.startswith("_sysconfigdata")}
    roots = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {*OURS} - NOT_ASKED_FOR
    ours = {_find_room(name) for name in names if name.startswith(tuple(f"{root}." for root in OURS))}
    return ours - {"compiler", "runtime"}, roots


def _find_room(module: str) -> str:
    return next((room for room in SEVERAL if module.startswith(room)), module)


@pytest.mark.parametrize(
    ("words", "ours", "others"),
    [
        (("--version",), COMMAND_LINE - NOT_FOR_A_VERSION, READING - {"yaml"}),
        (("check", "resnet18"), COMMAND_LINE | {"archspec.cli.specs", "archspec.cli.specs.check"} | COMPILER, READING),
        (("analyze", "resnet18", "--json"), COMMAND_LINE | ANALYZE | COMPILER, READING),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_command_loads_these_modules_and_no_others(words: tuple[str, ...], ours: set[str], others: set[str]) -> None:
    loaded, packages = list_modules(*words)
    assert loaded == ours
    assert packages == others


def test_help_loads_commands_and_nothing_that_they_need() -> None:
    loaded, packages = list_modules("--help")
    assert {name for name in loaded if not name.startswith("archspec.cli.")} == {
        *("archspec.cli", "archspec.bounds", "archspec.errors", "archspec.file_types", "archspec.files"),
        *("archspec.last_resort", "archspec.precision", "archspec.signals", "archspec.telemetry", "archspec.wording"),
        "archspec.shared_end",
        *("compiler.onnx_target", "compiler.onnx_target.options"),
    }
    assert packages == HELP


def test_a_module_more_is_noticed() -> None:
    """What the tests above rest on: a command that draws a table has rich, and the table's module."""
    loaded, packages = list_modules("analyze", "resnet18")
    assert "archspec.cli.tables.report" in loaded - COMPILER
    assert "rich" in packages - READING
