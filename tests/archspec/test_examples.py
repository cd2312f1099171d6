"""Each public name has an example in its docstring, and so has what users meet behind these names: it runs as it stands
there after `import archspec`, in an empty folder. Any other example runs with the names of its own module."""

from __future__ import annotations

import ast
import doctest
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import archspec

ROOT = Path(__file__).parents[2]
PARSER = doctest.DocTestParser()

BEHIND = (
    "archspec.ops.base:Layer",
    "archspec.ops.values:Shape",
    "compiler.graph:Graph",
    "compiler.graph:Graph.resize",
    "compiler.onnx_file.accepted:AcceptedSize",
    "compiler.onnx_source.read:read_graph",
    "runtime.data.registry:load_data",
    "runtime.measuring.bench:bench",
    "runtime.prediction.predict:predict",
    "runtime.session.session:Session.bind",
    "runtime.session.session:Session.run",
    "runtime.session.settings:Settings",
    "runtime.recipes.recipe:Recipe",
)
"""What public functions take and give, and what the documents name beside them."""

NAMES = [*(f"archspec:{name}" for name in archspec.__all__), *BEHIND]


def list_examples() -> Iterator[tuple[str, str]]:
    """All docstrings of the product that hold an example: the module of each, and its text."""
    for package in ("archspec", "compiler", "runtime"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Expr(ast.Constant(str(text))) if ">>>" in text:
                        yield module, inspect.cleandoc(text)


EXAMPLES = list(list_examples())


@cache
def read_docstring(name: str) -> str:
    return inspect.cleandoc(pkgutil.resolve_name(name).__doc__ or "")


def list_names(module: str, text: str) -> dict[str, Any]:
    """What an example may use: `archspec` alone where users meet it."""
    met = text in map(read_docstring, NAMES)
    return {"archspec": archspec} if met else vars(import_module(module)) | {"archspec": archspec}


def run_example(text: str, names: dict[str, Any]) -> str:
    """What the example printed that it should not have."""
    told: list[str] = []
    test = PARSER.get_doctest(text, names, "example", None, 0)
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("name", NAMES)
def test_what_users_meet_has_an_example(name: str) -> None:
    assert read_docstring(name) in [text for _, text in EXAMPLES], f"{name} has no example"


@pytest.mark.parametrize(("module", "text"), EXAMPLES, ids=[module for module, _ in EXAMPLES])
def test_an_example_runs(module: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_example(text, list_names(module, text)) == ""


def test_an_example_that_is_wrong_fails() -> None:
    assert "Expected" in run_example(">>> 1 + 1\n3\n", {})
