"""Variants with other inputs: another rank, other channels, and the sizes that follow."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.ops import Conv
from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import mistakes_in, places, unmarked, write

BASE = """\
archspec: 1
params: {classes: 2}
inputs: {image: [1, H, W], mask: [1, H, W]}
sizes: {H: 16, W: 24}
network:
  - concat: [[], [from: mask]]
  - conv: {out: 4, stride: 2}
  - instance_norm
  - upsample: 2
  - conv: {out: classes, kernel: 1}
"""


def test_a_variant_of_another_rank_is_the_network_in_three_dimensions(tmp_path: Path) -> None:
    write(tmp_path, BASE, "flat.yaml")
    text = "archspec: 1\nextends: flat\ninputs: {image: [3, D, H, H], mask: [1, D, H, H]}\nsizes: {D: 8, H: 12}\n"
    graph = elaborate(load(write(tmp_path, text)))
    assert (str(graph["image"].shape), str(graph["conv_1"].shape)) == ("3×8×12×12", "2×8×12×12")
    assert dict(graph.sizes) == {"D": 8, "H": 12}  # W is gone with the letter
    assert graph.weights["conv_0.weight"].shape == (4, 4, 3, 3, 3)
    same = elaborate(load(tmp_path / "flat.yaml"))
    assert graph.weights.keys() == same.weights.keys()
    assert isinstance(graph["conv_0"].op, Conv)


def test_one_input_of_several_is_replaced_and_written_so(tmp_path: Path) -> None:
    write(tmp_path, BASE, "flat.yaml")
    spec = load(write(tmp_path, "archspec: 1\nextends: flat\ninputs: {mask: [classes, H, W]}\nparams: {classes: 5}\n"))
    assert dict(spec.inputs)["image"] == (1, "H", "W")
    assert spec.to_data()["inputs"] == {"image": [1, "H", "W"], "mask": ["classes", "H", "W"]}
    assert elaborate(spec)["mask"].shape == (5, 16, 24)
    assert load(tmp_path / "flat.yaml").to_data()["inputs"]["mask"] == [1, "H", "W"]


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("inputs: {▸imge: [1, H, W]}\n", "bad-variant", "spec has no input 'imge'; did you mean 'image'?"),
        ("inputs: {image: ▸[H, 1]}\n", "bad-shape", "should begin with the number of channels"),
        ("inputs: {image: [1, ▸E, H]}\n", "missing-size", "the size E of the input 'image' has no value"),
        ("inputs: {image: [▸channels, H, W]}\n", "unknown-name", "unknown name 'channels'"),
        ("inputs: {image: [1, 8], mask: [1, 8]}\nsizes: {▸H: 8}\n", "unknown-size", "the spec has no `H` in sizes"),
    ],
)
def test_mistakes_in_a_variants_inputs(tmp_path: Path, text: str, code: str, message: str) -> None:
    write(tmp_path, BASE, "spec.yaml")
    text, marks = unmarked("archspec: 1\nextends: spec\n" + text)
    (mistake,) = mistakes_in(write(tmp_path, text, "variant.yaml"))
    assert (mistake.code, places([mistake])) == (code, marks)
    assert message in mistake.message
