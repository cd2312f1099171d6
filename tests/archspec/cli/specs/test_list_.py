"""`archspec list`: what is chosen, what is shown."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.errors import ArchspecError
from archspec.spec.zoo import zoo_specs
from archspec.zoo import list_zoo
from tests.support.commands import run_process


def names(*words: str) -> set[str]:
    return {row["name"] for row in list_zoo(words)}


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["list", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_words_choose_by_name_and_by_family() -> None:
    assert names("vgg") == {name for name, path in zoo_specs().items() if path.parent.name == "vgg"}
    assert names("resnet50") == {name for name in zoo_specs() if "resnet50" in name}
    assert names("VNET", "se_net") == {"vnet", "se_net"}


def test_word_that_fits_nothing_names_a_near_one() -> None:
    with pytest.raises(ArchspecError, match=r"'unnet'; did you mean 'unet'\?"):
        list_zoo(["unnet"])


def test_a_row_has_the_figures() -> None:
    (row,) = list_zoo(["densenet121"])
    assert row["inputs"] == {"image": [3, 224, 224]}
    assert (row["parameters"], row["macs"], row["paths"]) == (7978856, 2834161664, {"output": 2**58})
    assert (row["family"], row["source"]) == ("densenet", "Huang et al., 2017")


def test_each_spec_is_announced() -> None:
    heard: list[tuple[str, int, int]] = []
    list_zoo(["vgg16"], lambda *step: heard.append(step))
    assert heard == [("vgg16", 1, 2), ("vgg16_bn", 2, 2)]


def test_table_fits_its_width_and_has_every_column() -> None:
    lines = run("vgg").splitlines()
    assert lines[0].split() == ["spec", "family", "input", "parameters", "MACs", "source"]
    assert lines[3].split()[:7] == ["vgg16", "vgg", "3×224×224", "138", "M", "15.5", "G"]
    assert max(map(len, lines)) <= 120


def test_descriptions_are_shown_instead_of_sources() -> None:
    assert "Simonyan" in run("vgg16")
    assert "Simonyan" not in run("vgg16", "-d")
    assert "Thirteen convolutions" in run("vgg16", "--descriptions")


def test_json_has_what_the_words_choose() -> None:
    assert [row["name"] for row in json.loads(run("vgg16", "--json"))] == ["vgg16", "vgg16_bn"]


def test_list_has_the_whole_zoo() -> None:
    rows = json.loads(run_process("list", "--json"))
    assert {row["name"] for row in rows} == set(zoo_specs())
    assert {row["parameters"] for row in rows if row["name"] == "resnet50"} == {25557032}
    assert "25.6 M" in run_process("list")
