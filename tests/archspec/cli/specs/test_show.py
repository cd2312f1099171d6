"""The command show: the layers as a tree that adds up."""

from __future__ import annotations

import json
from typing import Any

from tests.support.commands import archspec, fail, run_process


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


def test_show_documents_a_library_or_one_of_its_blocks() -> None:
    whole, one = archspec("show", "blocks/resnet", "--json"), archspec("show", "blocks/resnet", "bottleneck", "--json")
    assert [row["name"] for row in whole["blocks"]] == ["basic_block", "resnet_shortcut", "bottleneck"]
    assert one["blocks"] == whole["blocks"][2:]
    assert one["blocks"][0]["use"]["input"] == [64, 56, 56]
    assert "64×56×56 → 256×56×56" in archspec("show", "blocks/resnet", "bottleneck")


def test_a_block_is_asked_of_a_library() -> None:
    assert "resnet50 is no block library" in fail("show", "resnet50", "bottleneck")
    assert "did you mean 'bottleneck'?" in fail("show", "blocks/resnet", "botleneck")
