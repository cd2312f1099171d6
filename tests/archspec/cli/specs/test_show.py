"""The command show: the layers as a tree that adds up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runtime.recipes.document import read_recipe
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


def test_show_says_every_key_of_a_recipe(tmp_path: Path) -> None:
    whole = archspec("show", "recipes/he2015", "--json")
    assert whole == read_recipe("he2015").to_dict()
    path = tmp_path / "mine.yaml"
    path.write_text(archspec("show", "recipes/he2015", "--set", "optimizer.lr=0.2"), encoding="utf-8")
    assert read_recipe(path).optimizer.lr == 0.2
    assert archspec("show", str(path), "--json") == {**whole, "optimizer": {**whole["optimizer"], "lr": 0.2}}


def test_a_recipe_with_mistakes_says_them_and_has_no_layers(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("recipe: 1\nlr: 0.1\n", encoding="utf-8")
    assert "mine.yaml:2:1: error[unknown-field]: unknown key 'lr' of a recipe" in fail("show", str(path))
    assert "is a recipe, which has keys alone" in fail("show", "recipes/he2015", "--depth", "3")
    assert "there is no file" in fail("show", "recipes/he2016")
