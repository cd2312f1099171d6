"""The zoo as rows: every network that comes with the program, with its figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archspec.arguments import checked
from archspec.errors import InputError, suggest
from archspec.spec.load import load
from archspec.spec.zoo import zoo_specs
from compiler.analysis.report import analyze
from compiler.elaborate.elaborate import elaborate


@checked
def list_zoo(
    words: Sequence[str] = (), on_spec: Callable[[str, int, int], None] = lambda name, number, count: None
) -> list[dict[str, Any]]:
    """A row for each spec of the zoo: name, family, source, description, file, inputs, sizes, parameters, MACs
    (conv-linear) and, by output, paths.

    With `words`, only the specs that have one of them in their name, or whose family has that name. Calls `on_spec`
    before each with its name, its number from 1 and how many there are. Raises InputError where a word fits none.

    >>> [(row["name"], row["parameters"]) for row in archspec.list_zoo(["resnet_digits"])]
    [('resnet_digits', 174970)]
    """
    files = sorted(zoo_specs().values(), key=lambda path: (path.parent.name, path.stem))
    chosen = [path for path in files if not words or any(_is_meant(path, word) for word in words)]
    for word in words:
        if not any(_is_meant(path, word) for path in files):
            near = suggest(word, [*zoo_specs(), *(path.parent.name for path in files)])
            raise InputError(f"no name and no family in the zoo fits '{word}'{near or '; try `archspec list`'}")
    rows = []
    for number, path in enumerate(chosen, start=1):
        on_spec(path.stem, number, len(chosen))
        rows.append(_describe_spec(path))
    return rows


def _is_meant(path: Path, word: str) -> bool:
    return word.lower() in path.stem or word.lower() == path.parent.name


def _describe_spec(path: Path) -> dict[str, Any]:
    spec = load(path)
    report = analyze(elaborate(spec), by_length=False)
    paths = report.paths.op
    by_output = {name: level.total for name, level in (paths.by_output or {}).items()}
    return {
        "name": spec.name,
        "family": path.parent.name,
        "source": spec.source,
        "description": spec.description,
        "file": spec.file,
        "inputs": {key: list(shape) for key, shape in report.inputs.items()},
        "sizes": dict(report.sizes),
        "parameters": report.cost.parameters,
        "macs": report.cost.macs["conv-linear"],
        "paths": by_output or dict.fromkeys(report.outputs, paths.total),
    }
