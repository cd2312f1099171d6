"""Which sizes a graph accepts: held against trying each."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from compiler.onnx_file.accepted import AcceptedSize
from compiler.sizes.accepted_sizes import accepted_sizes, fits
from tests.archspec.spec.texts import graph_of
from tests.support.documents import graph_from
from tests.support.strategies import MODERATE, Document, specs

LONG = "archspec: 1\ninputs: {x: [2, L]}\nsizes: {L: 24}\nnetwork: "
DOWN_UP = "encoder_decoder: {{n: 1, down: [max_pool: {0}], up: [upsample: {0}], merge: add}}"


def accepted(network: str, value: int = 24) -> str:
    return str(accepted_sizes(graph_of(LONG + network + "\n", sizes={"L": value}))["L"])


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("[]", "any from 1"),
        ("[conv: 3, relu, global_avg_pool, flatten, linear: 3]", "any from 1"),
        ("[conv: {out: 3, padding: 0}, conv: {out: 3, kernel: 5, padding: 0}]", "any from 7"),
        ("[conv: {out: 3, stride: 2}, conv: {out: 3, stride: 2}]", "any from 1"),
        ("[max_pool: 2, max_pool: 2]", "any from 4"),
        ("[max_pool: {kernel: 2, ceil: true}, max_pool: 2]", "any from 3"),
        ("[flatten, linear: 3]", "24 alone"),
        ("[max_pool: 24, flatten, linear: 3]", "24 to 47"),
        (f"[{DOWN_UP.format(2)}]", "2 + 2·k"),
        ("[encoder_decoder: {n: 3, down: [max_pool: 2], up: [upsample: 2], merge: concat}]", "8 + 8·k"),
        ("[encoder_decoder: {n: 2, down: [max_pool: 2], up: [conv_transpose: 2], fit: crop}]", "4 + 4·k"),
        # two grids: the step is a multiple of both, not the larger
        (f"[concat: [[{DOWN_UP.format(2)}, global_avg_pool], [{DOWN_UP.format(3)}, global_avg_pool]]]", "6 + 6·k"),
        # a grid of one and a half pixels: three pixels are two of its steps
        ("[upsample: 2, encoder_decoder: {n: 1, down: [max_pool: 3], up: [upsample: 3]}]", "3 + 3·k"),
        # what follows a global pooling has extent 1 and a grid of its own
        (f"[mul: [[], [{DOWN_UP.format(3)}, global_avg_pool]], {DOWN_UP.format(2)}]", "6 + 6·k"),
        ("[concat: [[], [max_pool: 2, upsample: 2]], max_pool: 3]", "4 + 2·k"),
        # what counts from both ends goes along with the size, what counts from one is fixed and must be there
        ("[roll: 3]", "any from 3"),
        ("[space_to_depth: 4]", "4 + 4·k"),
        ("[conv: 4, depth_to_space: 2, tokens, max_pool: 2]", "any from 1"),
        ("[shift: {trainable: true, per: position}]", "24 alone"),
        ("[transpose, global_avg_pool]", "24 alone"),  # the channels of a map are never dynamic
        ("[tokens, transpose, conv: {out: 4, kernel: 1}]", "24 alone"),
        ("[transpose, transpose, conv: 4]", "24 alone"),
        ("[tokens, conv: 4]", "any from 1"),
        ("[attend: {bias: continuous}]", "24 alone"),
        ("[windows: {size: 2, body: [attend: {bias: continuous}]}]", "any from 1"),
        ("[learned: [3, 2], flatten, linear: 3]", "any from 1"),
        ("[reduce: {over: positions}, flatten, linear: 3]", "any from 1"),
        ("[slice: {axis: 1, start: 2, stop: -3}]", "any from 6"),
        ("[slice: {axis: -1, start: 2, step: 3}]", "any from 3"),
        ("[slice: {axis: 1, start: 2, stop: 9}, flatten, linear: 3]", "any from 9"),
        ("[slice: {axis: 1, start: -5}, flatten, linear: 3]", "any from 5"),
        ("[add: [[slice: {axis: 1, stop: -1}], [slice: {axis: 1, start: 1}]]]", "any from 2"),
        (
            "[add: [[slice: {axis: 1, stop: 8}], [slice: {axis: 1, start: 8, stop: 16}]], flatten, linear: 3]",
            "any from 16",
        ),
    ],
)
def test_accepted(network: str, expected: str) -> None:
    assert accepted(network) == expected


def test_original_unet_accepts_what_its_paper_says() -> None:
    rules = accepted_sizes(elaborate(load("unet")))
    assert {name: str(rule) for name, rule in rules.items()} == {"H": "188 + 16·k", "W": "188 + 16·k"}


def test_no_dynamic_sizes_no_rules() -> None:
    assert accepted_sizes(graph_of("archspec: 1\ninputs: {x: [2, 8]}\nnetwork: [max_pool: 2]\n")) == {}


def test_weights_may_be_left_free() -> None:
    graph = graph_of(LONG + "[max_pool: 2, flatten, linear: 3]\n")
    assert str(accepted_sizes(graph)["L"]) == "24 and 25"
    assert str(accepted_sizes(graph, keep_weights=False)["L"]) == "any from 2"
    assert not fits(graph, {"L": 26})
    assert fits(graph, {"L": 25})
    assert fits(graph, {"L": 26}, keep_weights=False)
    assert not fits(graph, {"L": 1}, keep_weights=False)


def test_rule() -> None:
    rule = AcceptedSize(12, 4, 4)
    assert [size for size in range(20) if size in rule] == [4, 8, 12, 16]
    assert rule.dynamic
    assert [rule.nearest(size) for size in (1, 4, 5, 6, 7, 10, 1001)] == [4, 4, 4, 8, 8, 12, 1000]
    assert rule.to_dict() == {"value": 12, "first": 4, "step": 4}
    assert 4.0 not in rule
    assert "4" not in rule
    alone = AcceptedSize(7, 7, 0)
    assert not alone.dynamic
    assert [size for size in range(20) if size in alone] == [7]
    assert alone.nearest(100) == 7
    assert alone.to_dict() == {"value": 7}
    assert [str(item) for item in (rule, alone, AcceptedSize(3, 2, 1))] == ["4 + 4·k", "7 alone", "any from 2"]


def check(graph: Graph) -> None:
    """Every size of a rule fits, and there is no denser rule and none that starts earlier."""
    rules = accepted_sizes(graph)
    assert list(rules) == list(graph.sizes)
    for name, rule in rules.items():
        fitting: set[int] = {size for size in range(1, 140) if fits(graph, {name: size})}
        value = graph.sizes[name]
        assert value in rule
        assert value in fitting
        assert {size for size in range(1, 140) if size in rule} <= fitting
        denser = range(1, rule.step if rule.dynamic else 33)
        assert all(any(value + k * step not in fitting for k in range(1, 5)) for step in denser)
        if rule.dynamic:
            assert rule.first - rule.step not in fitting


@settings(MODERATE, max_examples=80)
@given(specs().filter(lambda document: "sizes" in document))
def test_accepted_sizes_are_those_that_fit(document: Document) -> None:
    check(graph_from(document))


@pytest.mark.parametrize("options", [{"sizes": {"L": size}} for size in (6, 12, 30)])
@pytest.mark.parametrize(
    "network", [f"[{DOWN_UP.format(2)}, {DOWN_UP.format(3)}]", f"[conv: {{out: 2, stride: 2}}, {DOWN_UP.format(3)}]"]
)
def test_accepted_sizes_on_two_grids(network: str, options: dict[str, Any]) -> None:
    check(graph_of(LONG + network + "\n", **options))
