"""The table of --memory: bytes that add up, the values at the peak, and the largest batch."""

from __future__ import annotations

import pytest

from archspec.cli.tables.console import console
from archspec.cli.tables.memory import MAX_VALUES, print_memory
from compiler.analysis.certainty import estimate
from compiler.analysis.memory.memory import largest_batch, measure_memory
from compiler.graph import Graph
from tests.support.documents import graph_from
from tests.support.tables import read_rows


def two_layers() -> Graph:
    return graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"linear": 16}, "relu", {"linear": 2}]})


def test_the_rows_of_training_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Parameters by hand: 4·16 + 16 and 16·2 + 2, in four bytes each."""
    print_memory(measure_memory(two_layers(), batch=8), console(), {})
    sizes = [row for row in read_rows(capsys) if any(cell.endswith(" B") and cell[0].isdigit() for cell in row[:2])]
    numbers = [int(next(cell for cell in row if cell.endswith(" B"))[:-2].replace(",", "")) for row in sizes[:8]]
    _, weights, saved, parameters, gradients, optimizer, buffers, total = numbers
    assert weights == parameters == gradients == optimizer == 4 * (4 * 16 + 16 + 16 * 2 + 2)
    assert total == saved + parameters + gradients + optimizer + buffers


def test_the_largest_batch_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    graph = two_layers()
    memory = measure_memory(graph)
    fits = largest_batch(graph, 100_000)
    assert fits > 1
    print_memory(memory, console(), {}, (100_000, fits))
    assert f"training: {fits:,} is the largest batch within 100,000 B (fp32, momentum)" in capsys.readouterr().out
    print_memory(memory, console(), {}, (10, 0))
    assert "training: not even one sample within 10 B" in capsys.readouterr().out
    print_memory(memory, console(), {"memory.training_total_bytes": estimate("unsure")}, (100_000, fits))
    assert f"training: about {fits:,} is the largest batch" in capsys.readouterr().out


def test_of_many_values_at_the_peak_the_largest_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    branches = [[{"linear": 2 + number}, {"linear": 4}] for number in range(12)]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"concat": branches}]})
    memory = measure_memory(graph)
    print_memory(memory, console(), {})
    rows = read_rows(capsys)
    listed = rows[next(number for number, row in enumerate(rows) if row[0] == "values at the peak") + 1 :]
    assert len(memory.inference.at_peak) > MAX_VALUES
    assert listed[-1][0] == f"and {len(memory.inference.at_peak) - MAX_VALUES} more"
    assert sum(int(row[1].replace(",", "")) for row in listed) == memory.inference.peak.bytes
