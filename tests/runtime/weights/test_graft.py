"""Trained weights under the name of a call: what is taken, what is left, and what cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from archspec.weights import read_weights
from compiler.graph import Graph
from runtime.weights.graft import Graft, check_apart, graft
from runtime.weights.safetensors_file import save_weights
from tests.support.commands import fail, run

BODY = "[conv: 4, batch_norm, relu]"
ENCODER = """\
archspec: 1
inputs: {x: [3, 8, 8]}
network: [conv: 4, batch_norm, relu, global_avg_pool, flatten, linear: 5]
"""
TARGET = f"""\
archspec: 1
inputs: {{x: [3, 8, 8]}}
blocks: {{enc: {{body: {BODY}}}}}
network: [enc: {{name: encoder}}, conv: 2]
"""


@pytest.fixture
def graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.chdir(tmp_path)
    Path("encoder.yaml").write_text(ENCODER, encoding="utf-8")
    Path("target.yaml").write_text(TARGET, encoding="utf-8")
    trained = to_torch(elaborate(load("encoder.yaml")), seed=7).state_dict()
    save_weights("encoder.safetensors", {name: value.numpy() for name, value in trained.items()}, {})
    return elaborate(load("target.yaml"))


def test_weights_go_below_the_name_and_others_stay(graph: Graph) -> None:
    given, _ = read_weights("encoder.safetensors")
    fresh = to_torch(graph, seed=0).state_dict()
    weights, told = graft(graph, fresh, "encoder", given)
    assert list(weights) == list(fresh)
    np.testing.assert_array_equal(weights["encoder.conv_0.weight"], given["conv_0.weight"])
    assert weights["conv_0.weight"] is fresh["conv_0.weight"]
    assert set(told.left) == {"linear_0.bias", "linear_0.weight"}
    assert not told.stay
    assert len(told.taken) == 6


def test_what_is_not_given_stays(graph: Graph) -> None:
    given, _ = read_weights("encoder.safetensors")
    _, told = graft(graph, to_torch(graph).state_dict(), "encoder", {"conv_0.weight": given["conv_0.weight"]})
    assert told.taken == ("encoder.conv_0.weight",)
    assert len(told.stay) == 5


@pytest.mark.parametrize(
    ("into", "names", "message"),
    [
        ("encodr", {}, "target has no weights under 'encodr'; did you mean 'encoder'?"),
        ("encoder", {"stem.weight": (4, 3, 3, 3)}, "none of the weights has its place under 'encoder': they have "
         "stem.weight, and there is encoder.conv_0.weight"),
        ("encoder", {"conv_0.weight": (4, 1, 3, 3)}, "encoder.conv_0.weight is 4×1×3×3, and should be 4×3×3×3"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(graph: Graph, into: str, names: dict[str, tuple[int, ...]], message: str) -> None:
    given = {name: np.zeros(shape, np.float32) for name, shape in names.items()}
    with pytest.raises(ArchspecError) as error:
        graft(graph, {}, into, given)
    assert message in str(error.value)


@pytest.mark.usefixtures("graph")
def test_command_says_what_was_taken_and_what_not() -> None:
    told = run("weights", "graft", "target.yaml", "--into", "encoder=encoder.safetensors", "-o", "w.safetensors")
    assert "encoder: 6 weights taken; 2 have no place there: linear_0" in told
    assert "2 weights start anew, from seed 0" in told
    given, made = read_weights("encoder.safetensors")[0], read_weights("w.safetensors")[0]
    np.testing.assert_array_equal(made["encoder.conv_0.weight"], given["conv_0.weight"])
    again = json.loads(
        run("weights", "graft", "target.yaml", "--into", "encoder=encoder.safetensors", "-o", "v.safetensors",
            "--base", "w.safetensors", "--json")
    )  # fmt: skip
    assert again["grafts"][0]["into"] == "encoder"
    base = read_weights("v.safetensors")[0]
    assert all(np.array_equal(base[name], made[name]) for name in made)
    assert "needs NAME=FILE" in run(
        "weights", "graft", "target.yaml", "--into", "encoder", "-o", "u.safetensors", expect=2
    )


def test_no_weight_is_given_twice() -> None:
    first = Graft("encoder", ("encoder.conv_0.weight",), (), ())
    check_apart(Graft("decoder", ("decoder.conv_0.weight",), (), ()), [first])
    check_apart(Graft("encoder", ("encoder.conv_0.bias",), (), ()), [first])  # the other half of a file in two
    with pytest.raises(ArchspecError, match=r"conv_0\.weight is given twice, under 'encoder' and under 'encoder'"):
        check_apart(first, [first])


@pytest.mark.usefixtures("graph")
def test_command_takes_no_name_twice() -> None:
    pair = ("--into", "encoder=encoder.safetensors")
    assert "is given twice" in fail("weights", "graft", "target.yaml", *pair, *pair, "-o", "w.safetensors")
    assert not Path("w.safetensors").exists()
