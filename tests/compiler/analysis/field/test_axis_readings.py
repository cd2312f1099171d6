"""What operations read along an axis: as the operation itself says of every position."""

import pytest

from archspec.api import elaborate, load
from archspec.ops import (
    Input,
    Op,
    Shape,
)
from compiler.analysis.field import axis_readings
from compiler.analysis.field.axis_readings import find_readings
from compiler.analysis.field.receptive_field import measure_receptive_field
from tests.support.fields import measure_signal, only_field
from tests.support.lowering import graph_of


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "unet", "unet_bilinear", "hourglass1", "vnet", "se_net"])
def test_readings_hold_for_every_position(name: str) -> None:
    graph = elaborate(load(name))
    readings = find_readings(graph)
    for node in graph:
        shapes = graph.operands(node)
        for axis in range(node.shape.rank if shapes else 0):
            for position in (0, 1, 2, 7):
                reading = readings[node.id].axes[axis]
                for i, (read, x) in enumerate(
                    zip(node.op.input_span(axis, (position,) * 2, *shapes), shapes, strict=True)
                ):
                    whole = read is None or axis >= x.rank
                    assert (reading.turn[0][i] is None) == whole
                    assert whole or [reading.at(position, i)] == [*(read or ())]


def test_what_repeats_too_late_is_given_up_and_said() -> None:
    found = measure_signal([{"upsample": axis_readings.MAX_TURN + 1}, {"conv": 2}], 1)
    assert found.unmeasured == ("upsample_0",)
    assert found.outputs == {"output": ()} or only_field(found).field.node == "x"


def test_operations_of_the_caller_read_their_own_position() -> None:
    class Twice(Op):
        def infer(self, x: Shape) -> Shape:
            return x

    graph = graph_of(Twice(), Shape(2, 9))
    assert only_field(measure_receptive_field(graph)).field.size == (1,)
    assert isinstance(graph["x0"].op, Input)
