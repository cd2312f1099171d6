"""A pad of channels as a convolution."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.graph import Graph
from compiler.passes.pad_by_kernel import PadByKernel
from tests.support.documents import graph_from
from tests.support.forms import compare_form
from tests.support.lowering import TOLERANCE, Arrays
from tests.support.rewriting import FOLDED_TOLERANCE, run, stirred


def padded(*space: int | str) -> Graph:
    sizes = {size: 5 for size in space if isinstance(size, str)}
    network = [{"conv": 16}, "relu", {"pad_channels": 40}, "relu", {"conv": {"out": 3, "kernel": 1}}]
    return graph_from({"archspec": 1, "inputs": {"x": [3, *space]}, "sizes": sizes, "network": network})


def test_equals_the_pad() -> None:
    after, found = compare_form(padded("H", "W"), [PadByKernel()])
    assert run(PadByKernel(), padded("H", "W"))[2] < FOLDED_TOLERANCE
    assert [node.op.kind for node in after].count("pad_channels") == 0
    assert found < TOLERANCE


def test_control_a_shifted_diagonal_shows() -> None:
    def shift(arrays: Arrays) -> None:
        name = next(name for name in arrays if name.startswith("pad"))
        arrays[name] = np.roll(arrays[name], 1, axis=0)

    assert compare_form(padded("H", "W"), [PadByKernel()], shift)[1] > 100 * TOLERANCE


@pytest.mark.parametrize("space", [("H",), (4, "H", "W")])
def test_leaves_other_ranks(space: tuple[int | str, ...]) -> None:
    graph = padded(*space)
    assert PadByKernel()(graph, stirred(graph))[0] is graph
