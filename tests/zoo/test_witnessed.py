"""Networks whose libraries are not installed where the tests run: the same numbers as those libraries gave for the same
weights, which are stored with the version of the library."""

from __future__ import annotations

import numpy as np
import pytest

from archspec.api import to_torch
from compiler.analysis.cost.cost import measure_cost
from compiler.graph import Graph
from compiler.torch_target.module import assign_weights
from tests.support.lowering import TOLERANCE, Arrays, run_torch
from tests.support.seeded_weights import seed_inputs, seed_weights, swap_two_kernels
from tests.zoo.witnessed_rows import BATCH, LIBRARIES, WitnessedRow, pick_values, read_witnessed

ROWS = [
    pytest.param(row, id=f"{library}-{row.name}", marks=[pytest.mark.slow] if row.slow else [])
    for library in LIBRARIES
    for row in read_witnessed(library)
]


def run(graph: Graph, arrays: Arrays) -> Arrays:
    module = to_torch(graph)
    assign_weights(module, graph, arrays)
    return run_torch(graph, module, seed_inputs(graph, BATCH))


def differ(row: WitnessedRow, found: Arrays) -> float:
    """The largest difference at a stored place, relative to the largest value of the output."""
    picked = pick_values(found)
    assert picked.keys() == row.outputs.keys()
    return max(
        float(np.abs(np.subtract(picked[name], values)).max()) / row.largest[name]
        for name, values in row.outputs.items()
    )


@pytest.mark.parametrize("row", ROWS)
def test_the_library_computes_the_same(row: WitnessedRow) -> None:
    graph = row.build()
    arrays = seed_weights(graph)
    assert measure_cost(graph).parameters == row.parameters
    found = run(graph, arrays)
    assert differ(row, found) <= TOLERANCE
    assert {name: float(np.abs(array).max()) for name, array in found.items()} == pytest.approx(row.largest, rel=1e-4)
    assert differ(row, run(graph, swap_two_kernels(arrays))) > 10 * TOLERANCE
