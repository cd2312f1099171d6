"""The boxes of a page: one element for each block, in its place, and each wire once for the script."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from compiler.draw.nested import Nested
from tests.support.drawings import picture_of


@pytest.mark.parametrize("name", ["resnet50", "unet", "residual_mlp"])
def test_each_block_is_one_element_with_its_number(name: str) -> None:
    nested = Nested(picture_of(name))
    root = ElementTree.fromstring(nested.write().replace("class=more", 'class="more"').replace(" open>", ">"))
    blocks = [nested.picture.whole, *(block for _, block in nested.picture.whole.walk())]
    numbers = [int(element.attrib["data-b"]) for element in root.iter() if "data-b" in element.attrib]
    assert sorted(numbers) == list(range(1, len(blocks)))
    assert nested.numbers == {block.id: number for number, block in enumerate(blocks)}
    kinds = {int(element.attrib["data-b"]): element.tag for element in root.iter() if "data-b" in element.attrib}
    assert {kinds[nested.numbers[block.id]] for block in blocks[1:] if block.children} <= {"details"}


def test_every_class_of_a_place_has_a_rule() -> None:
    nested = Nested(picture_of("unet"))
    root = ElementTree.fromstring(nested.write().replace("class=more", 'class="more"').replace(" open>", ">"))
    places = {word for element in root.iter() for word in element.attrib.get("class", "").split() if word[1:].isdigit()}
    assert places
    assert {place for place in places if f".{place}{{" not in nested.style} == set()


def test_the_script_knows_each_wire_of_the_picture() -> None:
    nested = Nested(picture_of("unet"))
    nested.write()
    for block_id, inside in nested.picture.inside.items():
        runs = nested.wires[nested.numbers[block_id]]["runs"]
        assert len(runs) == len(inside.wires)
        assert sum(len(run[-1]) for run in runs) == sum(wire.times for wire in inside.wires.values())
