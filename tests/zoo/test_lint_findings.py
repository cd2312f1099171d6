"""What the rules find in the zoo. Each finding was judged to be true of the network as it was published; a new one is a
change of a rule or of a spec, to be judged. `python -m tests.zoo.test_lint_findings` writes the table anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archspec.api import elaborate, load
from archspec.spec.zoo import ZOO, zoo_specs
from compiler.analysis.lint import lint_graph

TABLE = Path(__file__).with_name("lint.json")


def find(name: str) -> list[str]:
    """The findings in a spec, in short: code, place and how many nodes show it."""
    spec = load(name)
    findings = lint_graph(elaborate(spec), spec)
    return [
        f"{f.code} {Path(f.place.file).resolve().relative_to(ZOO)}:{f.place.line}:{f.place.column} ×{len(f.nodes)}"
        for f in findings
    ]


def find_all() -> dict[str, list[str]]:
    """The findings by spec, without the specs in which there are none."""
    found = {name: find(name) for name in sorted(zoo_specs())}
    return {name: findings for name, findings in found.items() if findings}


@pytest.mark.parametrize("name", sorted(zoo_specs()))
def test_findings_are_those_that_were_judged(name: str) -> None:
    assert find(name) == json.loads(TABLE.read_text(encoding="utf-8")).get(name, [])


def test_the_table_names_specs_of_the_zoo() -> None:
    assert json.loads(TABLE.read_text(encoding="utf-8")).keys() <= zoo_specs().keys()


if __name__ == "__main__":
    TABLE.write_text(json.dumps(find_all(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
