"""Each public name has an example in its docstring, which runs as it stands there after
`import archspec`, in an empty folder."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

import archspec

PARSER = doctest.DocTestParser()


def read_example(name: str) -> doctest.DocTest:
    value: Any = getattr(archspec, name)
    return PARSER.get_doctest(value.__doc__ or "", {"archspec": archspec}, name, None, 0)


def run_example(test: doctest.DocTest) -> str:
    """What the example printed that it should not have."""
    told: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    return "".join(told)


@pytest.mark.parametrize("name", archspec.__all__)
def test_every_public_name_has_an_example_that_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    test = read_example(name)
    assert test.examples, f"{name} has no example"
    assert run_example(test) == ""


def test_an_example_that_is_wrong_fails() -> None:
    test = PARSER.get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    assert "Expected" in run_example(test)
