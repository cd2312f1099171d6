"""Each public name has an example in its docstring, and so has what users meet behind these names. It runs as it stands
there after `import archspec`, in an empty folder."""

from __future__ import annotations

import doctest
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import archspec

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
    "runtime.training.recipe:Recipe",
)
"""What public functions take and give, and what the documents name beside them."""

NAMES = [*(f"archspec:{name}" for name in archspec.__all__), *BEHIND]


def read_example(name: str) -> doctest.DocTest:
    value: Any = pkgutil.resolve_name(name)
    return PARSER.get_doctest(value.__doc__ or "", {"archspec": archspec}, name, None, 0)


def run_example(test: doctest.DocTest) -> str:
    """What the example printed that it should not have."""
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("name", NAMES)
def test_what_users_meet_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test = read_example(name)
    assert test.examples, f"{name} has no example"
    assert run_example(test) == ""


def test_an_example_that_is_wrong_fails() -> None:
    test = PARSER.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected" in run_example(test)
