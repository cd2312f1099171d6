"""What messages say of sizes that would fit, where those that are wanted do not."""

from __future__ import annotations

import pytest

from archspec.errors import SpecError
from tests.archspec.spec.texts import graph_of

SUM = "archspec: 1\ninputs: {a: [16, L], b: [16, M]}\nsizes: {L: 8, M: 8}\nnetwork: [add: [[], [from: b]]]\n"
SUMS = (
    "archspec: 1\ninputs: {a: [16, L], b: [16, M], c: [16, N]}\nsizes: {L: 8, M: 8, N: 8}\n"
    "network: [add: [[], [from: b], [from: c]]]\n"
)
PATCHES = """\
archspec: 1
inputs: {image: [3, H, W], place: [8, N]}
sizes: {H: 224, W: 224, N: 197}
network:
  - conv: {out: 8, kernel: 16, stride: 16, padding: 0}
  - tokens
  - concat: {axis: 1, branches: [[learned: [8, 1]], []]}
  - add: [[], [from: place]]
"""


def hint(text: str, sizes: dict[str, int]) -> str:
    with pytest.raises(SpecError) as caught:
        graph_of(text, sizes=sizes)
    _, _, said = caught.value.diagnostics[0].message.partition(" (")
    return said.removesuffix(")")


@pytest.mark.parametrize(("one", "other"), [(10, 20), (5, 100), (20, 19), (3, 1000)])
def test_each_size_is_sought_while_the_other_keeps_its_value(one: int, other: int) -> None:
    first = f"L accepts {other} alone while M is {other}; nearest: {other}"
    assert hint(SUM, {"L": one, "M": other}) == f"{first}, or M accepts {one} alone while L is {one}; nearest: {one}"


def test_tokens_of_a_map_are_as_many_as_another_input_has() -> None:
    assert hint(PATCHES, {"H": 8}) == "H accepts 224 to 239 while W is 224, N is 197; nearest: 224"
    height = "H accepts 224 to 239 while W is 224, N is 197; nearest: 224"
    assert hint(PATCHES, {"H": 64}) == f"{height}, or N accepts 57 alone while H is 64, W is 224; nearest: 57"
    assert hint(PATCHES, {"N": 198}) == "N accepts 197 alone while H is 224, W is 224; nearest: 197"


def test_another_size_changes_too_only_where_none_fits_alone() -> None:
    assert hint(SUMS, {"L": 20, "M": 20, "N": 31}) == "N accepts 20 alone while L is 20, M is 20; nearest: 20"
    assert hint(SUMS, {"L": 10, "M": 20, "N": 31}) == "no near size fits alone; L 20 and N 20 do"


def test_sizes_that_do_not_depend_on_each_other_are_named_each() -> None:
    text = "archspec: 1\ninputs: {x: [2, H, W]}\nsizes: {H: 8, W: 8}\nnetwork: [max_pool: 4]\n"
    assert hint(text, {"H": 3, "W": 2}) == "H accepts any from 4; nearest: 4, W accepts any from 4; nearest: 4"
    assert hint(text, {"H": 3}) == "H accepts any from 4; nearest: 4"
