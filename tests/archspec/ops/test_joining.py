"""Maps one behind the other along an axis of space."""

from __future__ import annotations

import pytest

from archspec.ops import ConcatPositions, OpError, Shape
from tests.support.documents import graph_from


def test_extents_add_up_along_the_axis() -> None:
    op = ConcatPositions(axis=1)
    assert op.infer(Shape(4, 3, 5), Shape(4, 2, 5)) == (4, 5, 5)
    with pytest.raises(OpError, match="concat along axis 1 needs all other extents to be equal, found 4×3×5 and 4×3×6"):
        op.infer(Shape(4, 3, 5), Shape(4, 3, 6))
    with pytest.raises(OpError, match="all other extents to be equal"):
        op.infer(Shape(4, 3), Shape(4, 3, 5))
    with pytest.raises(OpError, match="concat along axis 1: 4 has axis 0 alone"):
        op.infer(Shape(4), Shape(4))


def test_a_position_reads_the_operand_that_it_comes_from() -> None:
    op, shapes = ConcatPositions(axis=1), (Shape(4, 3), Shape(4, 2))
    inside = [
        [place for runs in read or () for place in [*runs] if 0 <= place < x.space[0]]
        for read, x in zip(op.input_span(0, (1, 3), *shapes), shapes, strict=True)
    ]
    assert inside == [[1, 2], [0]]


@pytest.mark.parametrize(("axis", "kind", "shape"), [(0, "concat", (8, 6)), (-1, "concat_positions", (4, 12))])
def test_the_word_has_an_operation_for_channels_and_one_for_positions(
    axis: int, kind: str, shape: tuple[int, ...]
) -> None:
    network = [{"concat": {"axis": axis, "branches": [[], []]}}]
    node = graph_from({"archspec": 1, "inputs": {"x": [4, 6]}, "network": network})["concat_0.concat"]
    assert (node.op.kind, node.shape) == (kind, shape)
