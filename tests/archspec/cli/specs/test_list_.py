"""`archspec list`: what is chosen, what is shown."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.spec.zoo import zoo_specs
from tests.support.commands import run_process


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["list", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_table_fits_its_width_and_has_every_column() -> None:
    lines = run("vgg").splitlines()
    assert lines[0].split() == ["spec", "family", "input", "parameters", "MACs", "source"]
    (row,) = (line.split() for line in lines if line.startswith("vgg16 "))
    assert row[:7] == ["vgg16", "vgg", "3×224×224", "138", "M", "15.5", "G"]
    assert max(map(len, lines)) <= 120


def test_descriptions_are_shown_instead_of_sources() -> None:
    assert "Simonyan" in run("vgg16")
    assert "Simonyan" not in run("vgg16", "-d")
    assert "Thirteen convolutions" in run("vgg16", "--descriptions")


def test_json_has_what_the_words_choose() -> None:
    assert [row["name"] for row in json.loads(run("vgg19", "--json"))] == ["vgg19", "vgg19_bn"]


def test_list_has_the_whole_zoo() -> None:
    rows = json.loads(run_process("list", "--json"))
    assert {row["name"] for row in rows} == set(zoo_specs())
    assert {row["parameters"] for row in rows if row["name"] == "resnet50"} == {25557032}
    assert "25.6 M" in run_process("list")


def test_blocks_are_listed_instead() -> None:
    (row,) = json.loads(run("--blocks", "double_conv", "--json"))
    assert (row["library"], [argument["name"] for argument in row["arguments"]]) == ("blocks/unet", ["out", "middle"])
    assert "double_conv" in run("--blocks")


def test_recipes_are_listed_instead() -> None:
    (row,) = json.loads(run("--recipes", "he2015", "--json"))
    assert (row["name"], row["steps"], row["optimizer"]) == ("he2015", 64_000, "sgd")
    assert "polynomial" in run("--recipes")
    assert CliRunner().invoke(app, ["list", "--recipes", "--blocks"]).exit_code == 2
