"""The search itself, on families of one layer whose numbers grow, fall, or are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from archspec.api import elaborate, load
from archspec.errors import ArchspecError, Diagnostic, Place, SpecError
from archspec.ops import Input, Linear, Shape
from compiler.analysis.compare import search as module
from compiler.analysis.compare.conditions import parse_condition
from compiler.analysis.compare.fit import fit
from compiler.analysis.compare.variation import parse_variation
from compiler.graph import Graph, Node, NodeSource


def line_of(out: int) -> Graph:
    """A network with `out` parameters."""
    source = NodeSource(Place("test.yaml"))
    x = Node("x", Input(dims=(1,)), (), Shape(1), source)
    linear = Node("linear", Linear(out=out, bias=False), ("x",), Shape(out), source)
    return Graph("line", {"x": x, "linear": linear}, {"y": "linear"})


def refuse(message: str) -> SpecError:
    return SpecError([Diagnostic("shape-mismatch", message, Place("test.yaml"))])


@pytest.mark.parametrize("text", ["width", "width=1..60"])
def test_values_without_a_network_are_passed_over(text: str) -> None:
    """As where a number of groups divides only some widths."""

    def build(values: Mapping[str, Any]) -> Graph:
        if values["width"] % 24:
            raise refuse("groups: 24 does not divide the channels")
        return line_of(values["width"])

    variation = parse_variation(text, {"width": 24})
    found = fit(build, {"width": 24}, [variation], [parse_condition("params <= 50")])
    assert found.best
    assert found.best.params == {"width": 48}
    assert found.unfit > 0
    assert "does not divide" in str(found.example)


def test_networks_end_somewhere() -> None:
    """As where a deeper network leaves no pixel."""

    def build(values: Mapping[str, Any]) -> Graph:
        if values["depth"] > 777:
            raise refuse("nothing is left")
        return line_of(values["depth"])

    found = fit(build, {"depth": 1}, [parse_variation("depth", {"depth": 1})], [parse_condition("params <= 1M")])
    assert found.best
    assert found.best.params == {"depth": 777}
    assert found.beyond == ()


def test_numbers_that_fall_are_all_tried() -> None:
    """As with more groups: the network gets smaller; the one with the most parameters is asked for."""
    found = fit(
        lambda values: line_of(1000 // values["groups"]),
        {"groups": 1},
        [parse_variation("groups=1..200", {"groups": 1})],
        [parse_condition("params <= 100")],
        maximize="parameters.trainable",
    )
    assert found.best
    assert found.best.params == {"groups": 10}
    assert found.complete


def test_a_fall_behind_the_border_shows_at_the_end_of_a_range() -> None:
    """The control: up to 100 the numbers grow, then they fall, so that halving alone would stop too early."""
    sizes = [*range(1, 101), *range(50, 0, -1)]
    found = fit(
        lambda values: line_of(sizes[values["n"] - 1]),
        {"n": 1},
        [parse_variation("n=1..150", {"n": 1})],
        [parse_condition("params <= 60")],
    )
    assert found.best
    assert found.best.params == {"n": 150}


def test_a_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TRIES", 100)
    with pytest.raises(ArchspecError, match=r"after \d+ networks .*--vary n=LOW\.\.HIGH"):
        fit(
            lambda values: line_of(10**9 // values["n"]),
            {"n": 1},
            [parse_variation("n", {"n": 1})],
            [parse_condition("params <= 10")],
        )


def test_networks_are_bounded_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUILT_NODES", 20_000)
    with pytest.raises(ArchspecError, match="narrow it"):
        fit(
            lambda values: elaborate(load("residual_mlp", values)),
            {"blocks": 4},
            [parse_variation("blocks", {"blocks": 4})],
            [parse_condition("params <= 5T")],
        )


def test_a_network_that_cannot_be_built_at_all() -> None:
    def build(values: Mapping[str, Any]) -> Graph:
        raise refuse("nothing fits")

    with pytest.raises(ArchspecError, match=r"gives a network: .*nothing fits"):
        fit(build, {"n": 1}, [parse_variation("n", {"n": 1})], [parse_condition("params <= 10")])
