"""The command show: the layers as a tree that adds up."""

from __future__ import annotations

import json
from typing import Any

from tests.support.commands import run_process


def test_show_folds_repeats_and_adds_up() -> None:
    output = run_process("show", "resnet50")
    assert "×5" in output
    assert "25,557,032" in output
    tree = json.loads(run_process("show", "resnet50", "--json"))

    def total(branch: dict[str, Any], key: str) -> int:
        children = branch.get("children")
        if not children:
            return int(branch[key])
        return sum(total(child, key) * child["times"] for child in children)

    assert total(tree, "parameters") == tree["parameters"] == 25557032
    assert total(tree, "macs") == tree["macs"] == 4089184256
