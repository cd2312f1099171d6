"""Block libraries: which files are some, and what their blocks take."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import SpecError
from archspec.spec.libraries import find_library, list_arguments, read_library
from archspec.spec.load import load
from archspec.spec.zoo import ZOO

MINE = """\
archspec: 1
description: Mine
import: [blocks/squeeze_excite]
blocks:
  unit:
    description: A convolution.
    args: {width: int, wide: bool = width > 4, gate: block = none, skip: value}
    gives: [half]
    body: [conv: width, tap: half, gate]
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE, encoding="utf-8")
    return path


def test_a_library_is_found_by_its_name_and_by_its_path(mine: Path) -> None:
    assert find_library("blocks/resnet") == ZOO / "blocks" / "resnet.yaml"
    assert find_library(mine) == mine


@pytest.mark.parametrize("other", ["resnet50", "specs/unet/unet.yaml", "none_such.yaml"])
def test_networks_and_files_that_are_not_there_are_no_libraries(other: str) -> None:
    assert find_library(other) is None


def test_a_library_has_its_own_blocks_and_their_places(mine: Path) -> None:
    library = read_library(mine)
    assert (library.name, library.description, list(library.blocks)) == (str(mine), "Mine", ["unit"])
    assert (library.places["unit"].line, library.blocks["unit"].description) == (5, "A convolution.")


def test_arguments_have_their_defaults_as_they_are_written(mine: Path) -> None:
    rows = [tuple(row.values()) for row in list_arguments(read_library(mine).blocks["unit"])]
    wide, gate = ("wide", "bool", "width > 4"), ("gate", "block", "none")
    assert rows == [("width", "int", None), wide, gate, ("skip", "value", None)]


def test_mistakes_in_a_library_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(MINE.replace("conv: width", "conf: width"), encoding="utf-8")
    with pytest.raises(SpecError, match="unknown node 'conf'"):
        read_library(tmp_path / "bad.yaml")


def test_descriptions_are_no_part_of_what_a_spec_says(mine: Path) -> None:
    user = mine.with_name("user.yaml")
    user.write_text("archspec: 1\nimport: [mine]\ninputs: {x: [3, 8, 8]}\nnetwork: [relu]\n", encoding="utf-8")
    assert "description" not in load(user).to_data()["blocks"]["unit"]
