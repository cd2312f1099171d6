"""What memory is asked for where nobody says."""

from __future__ import annotations

from compiler.analysis.memory.memory import measure_memory
from compiler.analysis.memory.setup import USUAL, TrainingSetup
from tests.support.documents import graph_from


def test_the_usual_setup_is_what_memory_is_measured_for_unless_told() -> None:
    graph = graph_from({"archspec": 1, "inputs": {"x": [4]}, "network": [{"linear": 8}, "relu"]})

    def measure(setup: TrainingSetup) -> object:
        batch, precision, optimizer = setup
        return measure_memory(graph, batch=batch, precision=precision, optimizer=optimizer).to_dict()

    assert measure(USUAL) == measure_memory(graph).to_dict()
    assert all(measure(USUAL) != measure(USUAL._replace(**other)) for other in ({"batch": 2}, {"optimizer": "adam"}))
