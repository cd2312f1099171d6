"""Where extents meet: what must hold of them, against trying each size."""

from __future__ import annotations

import pytest

from archspec.ops import OPS
from compiler.sizes import extents
from compiler.sizes.accepted_sizes import accepted_sizes, fits
from tests.archspec.spec.texts import graph_of

TO_Y = "[{merge}: {{branches: [[], [from: y]], fit: {fit}}}{more}]"


PADDED = TO_Y.format(merge="add", fit="pad", more=", add: [[], [from: y]]")


WIDE = "conv: {out: 2, kernel: 1, padding: 50}"


@pytest.mark.parametrize(
    ("inputs", "network", "expected"),
    [
        # a largest extent that changes hands far beyond the own size
        ("x: [2, H], y: [2, 40]", PADDED, {"H": "1 to 40"}),
        ("x: [2, H], y: [2, 40]", TO_Y.format(merge="add", fit="pad", more=", flatten, linear: 3"), {"H": "1 to 40"}),
        (
            "x: [2, H]",
            f"[add: {{branches: [[{WIDE}], [upsample: 2]], fit: pad}}, add: [[], [from: x, {WIDE}]]]",
            {"H": "1 to 100"},
        ),
        ("x: [1, H]", "[flatten, pad_channels: 40, linear: 3]", {"H": "1 to 40"}),
        ("x: [1, H]", "[max_pool: 2, flatten, pad_channels: 20, linear: 3]", {"H": "2 to 41"}),
        ("x: [1, H, H]", "[flatten, pad_channels: 1100]", {"H": "1 to 33"}),
        ("x: [1, H]", "[flatten, group_norm: {groups: 4, affine: false}]", {"H": "4 + 4·k"}),
        # sizes that depend on each other
        ("x: [2, H], y: [2, W]", PADDED, {"H": "1 to 40 while W is 40", "W": "any from 32 while H is 32"}),
        ("x: [1, H, W]", "[flatten, pad_channels: 1300]", {"H": "1 to 32 while W is 40", "W": "1 to 40 while H is 32"}),
        # and such that need not
        ("x: [2, H], y: [2, W]", TO_Y.format(merge="concat", fit="crop", more=""), {"H": "2 + 2·k", "W": "2 + 2·k"}),
        ("x: [1, H, W]", "[max_pool: 3, flatten, linear: 3]", {"H": "30 to 32", "W": "39 to 41"}),
        # crops of what grows apart are even at every other period
        ("x: [2, H]", "[concat: {branches: [[], [max_pool: 2]], fit: crop}]", {"H": "4 + 4·k"}),
        ("x: [2, H], y: [2, 40]", TO_Y.format(merge="concat", fit="crop", more=""), {"H": "2 + 2·k"}),
        (
            "x: [2, H]",
            "[concat: {branches: [[], [conv: {out: 2, kernel: 4, stride: 3, padding: 0}, upsample: 2]], fit: crop}]",
            {"H": "4 + 2·k"},
        ),
        # a window upon the larger of two that follow different sizes
        (
            "x: [2, H], y: [2, W]",
            TO_Y.format(merge="add", fit="pad", more=", conv: {out: 2, kernel: 36, padding: 0}"),
            {"H": "any from 1 while W is 40", "W": "any from 36 while H is 32"},
        ),
    ],
)
def test_where_extents_meet(inputs: str, network: str, expected: dict[str, str]) -> None:
    sizes = {letter: {"H": 32, "W": 40}[letter] for letter in expected}
    graph = graph_of(f"archspec: 1\ninputs: {{{inputs}}}\nsizes: {sizes}\nnetwork: {network}\n".replace("'", ""))
    rules = accepted_sizes(graph)
    assert {name: str(rule) for name, rule in rules.items()} == expected
    for name, rule in rules.items():
        fitting = {size for size in range(1, 150) if fits(graph, {name: size})}
        assert {size for size in range(1, 150) if size in rule} <= fitting
        assert rule.last is None or rule.last + rule.step not in fitting


def test_each_size_has_its_own_rule_at_the_others_value() -> None:
    graph = graph_of(
        "archspec: 1\ninputs: {a: [2, H, W], b: [3, W]}\nsizes: {H: 6, W: 5}\n"
        "network: [max_pool: 2, global_avg_pool, flatten, concat: [[], [from: b, flatten]]]\n"
    )
    assert {name: str(rule) for name, rule in accepted_sizes(graph).items()} == {"H": "any from 2", "W": "any from 2"}
    equal = graph_of(
        "archspec: 1\ninputs: {a: [2, H], b: [3, L]}\nsizes: {H: 6, L: 6}\nnetwork: [concat: [[], [from: b]]]\n"
    )
    rules = {name: str(rule) for name, rule in accepted_sizes(equal).items()}
    assert rules == {"H": "6 alone while L is 6", "L": "6 alone while H is 6"}


def test_rules_are_of_classes_that_there_are() -> None:
    """A rule is entered by its class's name alone, so that a slip would be silent."""
    assert {*extents._FOLLOWED} <= {base.__name__ for op in OPS for base in op.__mro__}
