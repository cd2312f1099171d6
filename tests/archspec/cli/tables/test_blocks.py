"""Block libraries as tables."""

from __future__ import annotations

import pytest

from archspec.cli.tables.blocks import print_block, print_blocks, print_library
from archspec.libraries import find_use
from archspec.spec.libraries import read_library
from archspec.spec.zoo import zoo_libraries
from tests.support.tables import read_rows

ROW = {
    "library": "blocks/unet",
    "name": "double_conv",
    "description": "Two convolutions.",
    "arguments": [
        {"name": "out", "type": "int", "default": None},
        {"name": "middle", "type": "int", "default": "out"},
    ],
    "gives": ["half"],
    "used_by": ["unet", "unet_bn"],
}


def test_a_line_for_each_block(capsys: pytest.CaptureFixture[str]) -> None:
    print_blocks([ROW])
    expected = ["double_conv", "blocks/unet", "out: int, middle: int = out", "2", "Two convolutions."]
    assert read_rows(capsys)[1] == expected


def test_a_library_says_how_it_is_imported(capsys: pytest.CaptureFixture[str]) -> None:
    print_library(read_library(zoo_libraries()["blocks/unet"]))
    assert "import: [blocks/unet]" in capsys.readouterr().out


def test_a_block_says_what_it_takes_and_what_it_is_made_of(capsys: pytest.CaptureFixture[str]) -> None:
    print_block(ROW, find_use("double_conv", ["unet"]))
    printed = capsys.readouterr().out
    assert "in unet: double_conv(out=64, middle=64), 1×572×572 → 64×568×568" in printed
    assert "gives: half" in printed
    assert "used by unet, unet_bn" in printed
    assert [line.split() for line in printed.splitlines() if "middle " in line] == [["middle", "int", "out"]]
    assert "conv_1" in printed


@pytest.mark.parametrize(("count", "told"), [(0, "no spec of the zoo"), (8, "a, a, a, a, a, a and 2 more")])
def test_of_many_users_a_few_are_named(count: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_block({**ROW, "used_by": ["a"] * count}, None)
    assert f"used by {told}" in capsys.readouterr().out
