"""Weights that are cut out of tensors, joined and turned: torch's own attention as three convolutions, and what is left
over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.weights import find_rules, match_weights, read_weights, write_converted
from runtime.weights.convert import Conversion

WIDTH, TOKENS = 8, 5
SPEC = f"""\
archspec: 1
inputs: {{x: [{WIDTH}, {TOKENS}]}}
network:
  - shift: {{trainable: true, name: place}}
  - tap: x
  - conv: {{out: {WIDTH}, kernel: 1, name: query}}
  - from: x
  - conv: {{out: {WIDTH}, kernel: 1, name: key}}
  - from: x
  - conv: {{out: {WIDTH}, kernel: 1, name: value}}
  - conv: {{out: {WIDTH}, kernel: 1, name: out}}
"""
RULES = """\
weight_rules: 1
rules:
  - specs: [net]
    sources: [theirs]
    let: {starts: [0, 1, 2]}
    names:
      place.term: place
      query.weight: {name: attention.in_proj_weight, rows: [0, rows // 3]}
      query.bias: {name: attention.in_proj_bias, rows: [0, rows // 3]}
      key.weight: {name: attention.in_proj_weight, rows: [rows // 3, 2 * rows // 3]}
      key.bias: {name: attention.in_proj_bias, rows: [rows // 3, 2 * rows // 3]}
      value.weight: {name: attention.in_proj_weight, rows: [2 * rows // 3, rows]}
      value.bias: {name: attention.in_proj_bias, rows: [2 * rows // 3, rows]}
      out: attention.out_proj
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "net.weights.yaml").write_text(RULES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Theirs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.randn(()))
        self.attention = nn.MultiheadAttention(WIDTH, 2)
        nn.init.normal_(self.attention.in_proj_bias)


def match(state: dict[str, torch.Tensor], rules: str = RULES) -> Conversion:
    Path("net.weights.yaml").write_text(rules, encoding="utf-8")
    torch.save(state, "theirs.pth")
    return match_weights("theirs.pth", elaborate(load("net.yaml")), find_rules("net.yaml", {}), "theirs")


@pytest.mark.usefixtures("folder")
def test_the_joint_projection_of_an_attention_becomes_three_convolutions() -> None:
    theirs = Theirs()
    conversion = match(theirs.state_dict())
    assert [pair.theirs for pair in conversion.pairs][1] == "attention.in_proj_weight[0:8]"
    graph = elaborate(load("net.yaml"))
    write_converted("ours.safetensors", graph, conversion)
    ours = to_torch(graph)
    ours.load_state_dict({name: torch.from_numpy(array) for name, array in read_weights("ours.safetensors")[0].items()})
    x = torch.randn(2, WIDTH, TOKENS)
    attention, values = theirs.attention, (x + theirs.place).movedim(1, -1)
    expected = nn.functional.linear(values, attention.in_proj_weight, attention.in_proj_bias)[..., 2 * WIDTH :]
    expected = attention.out_proj(expected).movedim(-1, 1)
    torch.testing.assert_close(ours(x), expected)
    query = ours.get_submodule("query")(x + theirs.place)
    wrong = ours.get_submodule("key")(x + theirs.place)
    told = nn.functional.linear(values, attention.in_proj_weight, attention.in_proj_bias)[..., :WIDTH].movedim(-1, 1)
    torch.testing.assert_close(query, told)
    assert not torch.allclose(wrong, told, atol=1e-2)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows: [2 * rows // 3, rows]", "rows: [2 * rows // 3, rows - 1]",
         r"of another shape: value.weight \(from attention.in_proj_weight\[16:23\]\) \(8, 8, 1\): \(7, 8\).*"
         r"not used: attention.in_proj_weight \(1 of its 24 rows\)"),
        ("{name: attention.in_proj_weight, rows: [2 * rows // 3, rows]}",
         "{name: attention.in_proj_weight, rows: [rows // 3, 2 * rows // 3]}",
         r"key.weight and value.weight would both be read from attention.in_proj_weight\[8:16\]"),
        ("rows: [2 * rows // 3, rows]", "rows: [2 * rows // 3, 2 * rows]",
         "value.weight: attention.in_proj_weight has 24 rows, of which from 16 to 48 cannot be cut"),
        ("rows: [2 * rows // 3, rows]", "rows: [rows, rows]", "from 24 to 24 cannot be cut"),
        ("rows: [2 * rows // 3, rows]", "rows: [2 * rows // 3, rows, 0]", "from 16 to 24 by 0 cannot be cut"),
        ("rows: [0, rows // 3]", "rows: [0, 1], parts: 5", "query.weight: .* has 24 rows, which are no 5 equal parts"),
        ("rows: [0, rows // 3]", "rows: [0, 13], parts: 2",
         "has 12 rows in each of its 2 parts, of which from 0 to 13 cannot be cut"),
        ("place.term: place", "place.term: {name: place, rows: [0, 1]}", "is a single number, and has no rows to cut"),
        ("out: attention.out_proj", "out: {name: attention.out_proj, permute: [1, 0]}",
         "attention.out_proj.bias is 8, and `permute` has 2 axes"),
        ("place.term: place", "place.term: {join: [place, place]}", "would both be read from place"),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_or_is_left_is_said(old: str, new: str, message: str) -> None:
    assert old in RULES
    with pytest.raises(ArchspecError, match=message):
        match(Theirs().state_dict(), RULES.replace(old, new, 1)).check()


@pytest.mark.usefixtures("folder")
def test_rows_may_alternate() -> None:
    state = Theirs().state_dict()
    rules = RULES.replace("[0, rows // 3]", "[0, rows, 3]").replace("[rows // 3, 2 * rows // 3]", "[1, rows, 3]")
    arrays = match(state, rules.replace("[2 * rows // 3, rows]", "[2, rows, 3]")).read()
    torch.testing.assert_close(torch.from_numpy(arrays["key.bias"]), state["attention.in_proj_bias"][1::3])


@pytest.mark.usefixtures("folder")
def test_tensors_are_joined_and_turned(folder: Path) -> None:
    spec = "archspec: 1\ninputs: {x: [4]}\nnetwork: [linear: {out: 6, name: gates, bias: false}]\n"
    (folder / "net.yaml").write_text(spec, encoding="utf-8")
    rules = "weight_rules: 1\nrules:\n  - {specs: [net], sources: [theirs], names: {gates.weight: RULE}}\n"
    parts = {"i": torch.randn(2, 4), "f": torch.randn(3, 4), "o": torch.randn(1, 4)}
    arrays = match(parts, rules.replace("RULE", "{join: [i, f, o]}")).read()
    torch.testing.assert_close(torch.from_numpy(arrays["gates.weight"]), torch.cat(list(parts.values())))
    turned = {"w": torch.randn(4, 1, 6)}
    arrays = match(turned, rules.replace("RULE", "{name: w, permute: [2, 1, 0]}")).read()
    torch.testing.assert_close(torch.from_numpy(arrays["gates.weight"]), turned["w"][:, 0].T)
    with pytest.raises(ArchspecError, match="f 2×5 cannot be joined, since they differ beyond their first axis"):
        match({**parts, "f": torch.randn(2, 5)}, rules.replace("RULE", "{join: [i, f]}"))
    missing = match({"i": parts["i"]}, rules.replace("RULE", "{join: [i, f]}"))
    assert [pair.theirs for pair in missing.missing] == ["i + f"]


@pytest.mark.usefixtures("folder")
def test_rows_may_be_those_of_each_of_several_parts() -> None:
    """Two heads of 4 channels, each with its query, its key and its value."""
    state = Theirs().state_dict()
    rules = RULES
    for old, new in (("0, rows // 3", "0, 4"), ("rows // 3, 2 * rows // 3", "4, 8"), ("2 * rows // 3, rows", "8, 12")):
        rules = rules.replace(f"rows: [{old}]", f"rows: [{new}], parts: 4 // 2")
    conversion = match(state, rules)
    assert [pair.theirs for pair in conversion.pairs][1] == (
        "attention.in_proj_weight[0:4] + attention.in_proj_weight[12:16]"
    )
    heads = state["attention.in_proj_weight"].reshape(2, 3, 4, WIDTH)
    arrays = conversion.read()
    for name, part in zip(("query", "key", "value"), heads.unbind(1), strict=True):
        torch.testing.assert_close(torch.from_numpy(arrays[f"{name}.weight"])[..., 0], part.reshape(WIDTH, WIDTH))
