"""Rows of the zoo: which networks words choose, and their figures."""

from __future__ import annotations

import pytest

from archspec.errors import InputError
from archspec.spec.zoo import zoo_specs
from archspec.zoo import list_zoo


def names(*words: str) -> set[str]:
    return {row["name"] for row in list_zoo(words)}


def test_words_choose_by_name_and_by_family() -> None:
    assert names("vgg") == {name for name, path in zoo_specs().items() if path.parent.name == "vgg" or "vgg" in name}
    assert names("resnet50") == {name for name in zoo_specs() if "resnet50" in name}
    assert names("VNET", "se_net") == {name for name in zoo_specs() if "vnet" in name or "se_net" in name}


def test_word_that_fits_nothing_names_a_near_one() -> None:
    with pytest.raises(InputError, match=r"'unnet'; did you mean 'unet'\?"):
        list_zoo(["unnet"])


def test_a_row_has_the_figures() -> None:
    (row,) = list_zoo(["densenet121"])
    assert row["inputs"] == {"image": [3, 224, 224]}
    assert (row["parameters"], row["macs"], row["paths"]) == (7978856, 2834161664, {"output": 2**58})
    assert (row["family"], row["source"]) == ("densenet", "Huang et al., 2017")


def test_each_spec_is_announced() -> None:
    heard: list[tuple[str, int, int]] = []
    list_zoo(["vgg19"], lambda *step: heard.append(step))
    assert heard == [("vgg19", 1, 2), ("vgg19_bn", 2, 2)]
