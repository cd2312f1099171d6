"""The sizes that networks accept whose maps are laid out as rows, or cut and joined: held against trying each."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from archspec.api import open_network, to_torch
from archspec.errors import SpecError
from compiler.sizes.accepted_sizes import accepted_sizes, fits
from compiler.sizes.laws import ProductLaw
from tests.support.documents import graph_from
from tests.support.lowering import export

SEEDS = 60
REACH = 40


@pytest.mark.parametrize(
    ("sizes", "network", "expected"),
    [
        ({"H": 3, "W": 4}, ["tokens", {"space_to_depth": 2}], "2 + 2·k while H is 3"),
        ({"H": 3, "W": 8}, ["tokens", {"space_to_depth": 4}], "4 + 4·k while H is 3"),
        ({"H": 2, "W": 8}, ["tokens", {"space_to_depth": 4}], "2 + 2·k while H is 2"),
        (
            {"H": 6, "W": 6},
            [
                {"conv": {"out": 4, "kernel": 3, "stride": 3, "dilation": 2, "padding": [0, "same_end"]}},
                "tokens",
                {"space_to_depth": 2},
            ],
            "6 + 6·k while H is 6",
        ),
    ],
    ids=str,
)
def test_a_row_grows_by_the_other_extents(sizes: dict[str, int], network: list[Any], expected: str) -> None:
    graph = draw_graph(["H", "W"], sizes, network)
    assert str(accepted_sizes(graph)["W"]) == expected


def test_a_row_of_a_square_map_grows_with_the_square() -> None:
    """Its rate is none, and what divides it still has a period."""
    graph = draw_graph(["H", "H"], {"H": 4}, ["tokens", {"space_to_depth": 2}, {"space_to_depth": 2}])
    assert str(accepted_sizes(graph)["H"]) == "2 + 2·k"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_promised_fits(seed: int) -> None:
    assert_promises(*draw_network(Random(seed)))


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (
            [{"upsample": 2}, {"tap": "grid"}, "tokens", "gelu", {"map": "grid"}, {"upsample": 2}],
            "3 alone while W is 4",
        ),
        ([{"conv": 4}, "relu", {"max_pool": {"kernel": 2, "stride": 1}}], "any from 2"),
    ],
    ids=str,
)
def test_shapes_that_a_file_gives_are_known_as_they_were_read(
    network: list[Any], expected: str, tmp_path: Path
) -> None:
    """A map that is laid out by numbers of the file is no function of its sizes; other layers read from it are."""
    graph = draw_graph(["H", "W"], {"H": 3, "W": 4}, network)
    path = export(graph, to_torch(graph).state_dict(), tmp_path)
    rule = accepted_sizes(open_network(path)[0])["H"]
    assert str(rule) == expected
    for size in (size for size in range(1, 8) if size in rule):
        again, _ = open_network(path, sizes={"H": size})
        assert {name: again[id].shape for name, id in again.outputs.items()} == {
            name: graph.infer({"H": size})[id] for name, id in graph.outputs.items()
        }


def test_a_forgotten_operand_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a product that grows by the moving operand alone."""
    monkeypatch.setattr(ProductLaw, "hold", lambda law, still: ProductLaw(law.factor))
    with pytest.raises(AssertionError):
        assert_promises(["H", "W"], {"H": 3, "W": 4}, ["tokens", {"space_to_depth": 2}])


def assert_promises(axes: list[str], sizes: dict[str, int], network: list[Any]) -> None:
    """What is promised of each size fits, and so does nothing that would go on with the row."""
    try:
        graph = draw_graph(axes, sizes, network)
    except SpecError:
        return
    for name, rule in accepted_sizes(graph).items():
        fitting = {size for size in range(1, sizes[name] + REACH) if fits(graph, {**sizes, name: size})}
        assert {size for size in range(1, sizes[name] + REACH) if size in rule} <= fitting, (name, str(rule))
        if rule.step and rule.complete:
            assert rule.first - rule.step not in fitting
            assert rule.last is None or rule.last + rule.step not in fitting
        elif rule.complete:
            assert sizes[name] + 1 not in fitting


def draw_graph(axes: list[str], sizes: dict[str, int], network: list[Any]) -> Any:
    return graph_from({"archspec": 1, "inputs": {"x": [4, *axes]}, "sizes": sizes, "network": network})


def draw_network(random: Random) -> tuple[list[str], dict[str, int], list[Any]]:
    """Draw axes, sizes, and a network of a few words, most of which change extents."""
    axes = random.choice((["H", "W"], ["H", "W"], ["H", "H"], ["L"]))
    sizes = {name: random.randint(2, 12) for name in axes}
    rank, network = len(axes), list[Any]()
    for _ in range(random.randint(1, 5)):
        if rank == 2 and random.random() < 0.3:
            network += [{"tap": "grid"}, "tokens"]
            rank = 1
        elif rank == 1 and "tokens" in network and random.random() < 0.3:
            network += [{"map": "grid"}]
            rank = 2
        else:
            network.append(draw_word(random))
    return axes, sizes, network


def draw_word(random: Random) -> dict[str, Any]:
    one = random.choice
    window = {"kernel": one((1, 2, 3)), "stride": one((1, 2, 3)), "padding": one((0, "same_end"))}
    ends = {"start": one((0, 1, -3, -4)), "stop": one((-1, -2, 3)), "step": one((1, 2))}
    return one(
        (
            {"conv": {"out": 4, **window}},
            {"max_pool": window},
            {"space_to_depth": one((2, 3))},
            {"depth_to_space": 2},
            {"upsample": one((2, 3))},
            {"slice": {"axis": one((-1, 1)), **ends}},
            {"pad": {"before": one((0, 1)), "after": one((1, 2))}},
            {"concat": {"axis": -1, "branches": [[{"slice": {"axis": -1, "stop": 1}}], []]}},
            {"windows": {"size": one((2, 3)), "body": ["gelu"]}},
            {"adaptive_avg_pool": one((1, 2))},
        )
    )
