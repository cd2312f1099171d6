"""Rows of block libraries: which blocks words choose, who uses them, and one use of each."""

from __future__ import annotations

import pytest

from archspec.errors import InputError
from archspec.libraries import describe_library, find_use, list_blocks
from archspec.spec.libraries import read_library
from archspec.spec.load import load
from archspec.spec.zoo import zoo_libraries
from compiler.elaborate.elaborate import elaborate


def test_words_choose_by_block_and_by_library() -> None:
    libraries = {row["library"] for row in list_blocks()}
    assert libraries == set(zoo_libraries())
    assert {row["library"] for row in list_blocks(["blocks/unet"])} == {"blocks/unet"}
    assert "bottleneck" in {row["name"] for row in list_blocks(["bottle"])}


def test_word_that_fits_nothing_names_a_near_one() -> None:
    with pytest.raises(InputError, match=r"'doubleconv'; did you mean 'double_conv'\?"):
        list_blocks(["doubleconv"])


def test_users_are_those_whose_graph_has_a_call() -> None:
    (row,) = list_blocks(["bottleneck"])[-1:]
    called = {
        name
        for name in ("resnet50", "resnet18", "se_resnet50", "preresnet164")
        if any(call.text.startswith(f"{row['name']}(") for node in elaborate(load(name)) for call in node.source.calls)
    }
    assert called == {
        name for name in ("resnet50", "resnet18", "se_resnet50", "preresnet164") if name in row["used_by"]
    }


def test_a_block_that_is_not_there_names_a_near_one() -> None:
    library = read_library(zoo_libraries()["blocks/resnet"])
    assert [row["name"] for row in describe_library(library)] == list(library.blocks)
    with pytest.raises(InputError, match=r"no block 'botleneck'; did you mean 'bottleneck'\?"):
        describe_library(library, "botleneck")


def test_a_use_is_the_smallest_call_with_its_shapes_and_figures() -> None:
    """torchvision's first bottleneck of ResNet-50: 75,008 parameters, from 64 channels to 256."""
    use = find_use("bottleneck", ["resnet101", "resnet50"])
    assert use is not None
    assert (use.spec, use.call) == ("resnet50", "bottleneck(width=64, stride=1, inner=64, groups=1, dilation=1)")
    assert (use.input, use.output, use.tree.parameters) == ((64, 56, 56), (256, 56, 56), 75_008)
    assert use.to_dict(1)["tree"]["children"][-1]["name"] == "relu_0"


def test_who_calls_a_block_for_nothing_is_no_use() -> None:
    assert find_use("bottleneck", ["resnet18"]) is None


def test_every_block_of_the_zoo_says_what_it_is() -> None:
    missing = [f"{row['library']}: {row['name']}" for row in list_blocks() if not row["description"]]
    assert missing == []
    assert all(read_library(path).description for path in zoo_libraries().values())
