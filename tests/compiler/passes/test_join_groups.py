"""Groups of 4 or 8 channels become groups of 16, with equal results."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compiler.graph import Graph
from compiler.passes.base import run_passes
from compiler.passes.join_groups import JoinGroups
from tests.support.documents import graph_from
from tests.support.forms import compare_form
from tests.support.lowering import TOLERANCE, Arrays
from tests.support.rewriting import FOLDED_TOLERANCE, run, stirred


def grouped(width: int, groups: int, **conv: Any) -> Graph:
    layer = {"out": width * groups, "kernel": 3, "groups": groups, **conv}
    network = [{"conv": layer}, "norm", "relu", {"conv": 5}]
    return graph_from(
        {"archspec": 1, "inputs": {"x": [width * groups, "H", "W"]}, "sizes": {"H": 6, "W": 7}, "network": network}
    )


@pytest.mark.parametrize(("width", "groups", "left"), [(4, 8, 2), (8, 4, 2), (8, 2, 1), (4, 4, 1)])
@pytest.mark.parametrize("conv", [{}, {"bias": False, "stride": 2}])
def test_joins_to_blocks(width: int, groups: int, left: int, conv: dict[str, Any]) -> None:
    after, found = compare_form(grouped(width, groups, **conv), [JoinGroups()])
    assert after["conv_0"].op.facts["groups"] == left
    assert found < TOLERANCE


def test_control_a_block_off_the_diagonal_shows() -> None:
    def swap(arrays: Arrays) -> None:
        arrays["conv_0.weight"] = np.roll(arrays["conv_0.weight"], 4, axis=1)

    assert compare_form(grouped(4, 8), [JoinGroups()], swap)[1] > 100 * TOLERANCE


@pytest.mark.parametrize(
    ("width", "groups", "told"), [(1, 32, 0), (16, 2, 0), (2, 16, 1), (12, 4, 1), (24, 2, 1), (4, 6, 1)]
)
def test_leaves_what_is_fast_or_would_be_slower(width: int, groups: int, told: int) -> None:
    graph = grouped(width, groups)
    after, _, (step,) = run_passes([JoinGroups()], graph, stirred(graph))
    assert after is graph
    assert len(step.left) == told


def test_the_journal_tells() -> None:
    graph = grouped(4, 8)
    _, step, off = run(JoinGroups(), graph)
    assert off < FOLDED_TOLERANCE
    assert [(note.node, note.text) for note in step.done] == [("conv_0", "8 groups of 4 joined to 2 of 16")]
