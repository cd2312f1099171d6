"""The command fit: the largest network within budgets."""

from __future__ import annotations

import json
from pathlib import Path

from archspec.api import load
from tests.support.commands import fail, run, words_of


def test_fit_finds_a_width() -> None:
    output = run("fit", "residual_mlp", "--vary", "width", "--budget", "params <= 5M", "--budget", "macs <= 3M")
    assert ["853", "3,000,855", "2,996,589", "fits"] in [line.split() for line in output.splitlines()]
    assert "next: archspec analyze residual_mlp --set width=853" in output


def test_fit_writes_a_variant(tmp_path: Path) -> None:
    variant = tmp_path / "wider.yaml"
    words = ("fit", "densenet121", "--vary", "growth", "--budget", "params <= 10M", "--set", "classes=10")
    output = run(*words, "-o", variant)
    assert "next: archspec analyze" in output
    spec = load(variant)
    assert spec.params["classes"] == 10
    run("assert", variant, "params <= 10M")
    run("assert", variant, "params <= 10M", "--set", f"growth={spec.params['growth'] + 1}", expect=1)


def test_fit_as_json_repeats_as_a_command() -> None:
    found = json.loads(run("fit", "resnet50", "--vary", "depths[2]=1..20", "--budget", "params <= 30M", "--json"))
    assert found["best"]["params"] == {"depths": [3, 4, 9, 3]}
    assert found["command"] == "archspec analyze resnet50 --set 'depths=[3,4,9,3]'"
    assert found["beyond"][0]["params"] == {"depths": [3, 4, 10, 3]}
    assert found["complete"]


def test_fit_exits_1_where_none_fits(tmp_path: Path) -> None:
    words = ("fit", "residual_mlp", "--vary", "blocks", "--budget", "params <= 10", "-o", tmp_path / "v.yaml")
    output = run(*words, expect=1)
    assert "none that was tried fits" in output
    assert "every other value up to 64 was tried; that none beyond fits is not proven" in output
    assert not (tmp_path / "v.yaml").exists()


def test_fit_says_what_it_has_proven() -> None:
    words = ("fit", "residual_mlp", "--budget", "params <= 50k", "--vary")
    assert "among them every value above it" in run(*words, "width=1..150")
    assert "every larger value up to 198 was tried; that none beyond fits is not proven, but" in run(*words, "width")
    assert "not proven" not in run(*words, "width=1..60")


def test_fit_replaces_no_file_unasked(tmp_path: Path) -> None:
    variant = tmp_path / "v.yaml"
    variant.write_text("mine")
    words = ("fit", "residual_mlp", "--vary", "width=1..20", "--budget", "params <= 5k")
    assert "--force replaces it" in fail(*words, "-o", variant)
    assert variant.read_text() == "mine"
    run(*words, "-o", variant, "--force")
    run("assert", variant, "params <= 5k")
    assert "--force is read by -o alone" in words_of(run(*words, "--force", expect=2))
    assert "should end in .yaml" in fail(*words, "-o", tmp_path / "v.json")


def test_fit_says_what_is_wrong() -> None:
    budget = ("--budget", "params <= 5M")
    assert "did you mean 'blocks'" in fail("fit", "residual_mlp", "--vary", "bloks", *budget)
    assert "what is varied is PARAM" in fail("fit", "residual_mlp", "--vary", "blocks=5", *budget)
    said = run("fit", "residual_mlp", "--vary", "blocks", "--budget", "params >= 5M", expect=2)
    assert "is no budget" in words_of(said)
    assert "Missing option" in run("fit", "residual_mlp", "--vary", "blocks", expect=2)
