"""How drawings are put together: on one axis, side by side, without overlaps."""

from __future__ import annotations

from itertools import combinations, pairwise

from compiler.draw.frame import Box
from compiler.draw.written.drawings import BodyDrawing, beside, box, fan, stack

Rect = tuple[float, float, float, float]


def overlap(one: Rect, other: Rect) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def test_a_sequence_keeps_one_axis() -> None:
    narrow, wide = box(["a"], "call"), box(["a much wider one"], "call")
    whole = stack([narrow, wide, narrow])
    boxes = [part for part in whole.parts if isinstance(part, Box)]
    centres = [part.x + part.width / 2 for part in boxes]
    assert centres == [whole.entry] * 3
    tops = [part.y for part in boxes]
    assert all(one < other for one, other in pairwise(tops))


def test_ways_stand_side_by_side() -> None:
    one = box(["way"], "call")
    for drawing in (fan([one, one, one], "add"), beside(one, one, "mul")):
        boxes = [(p.x, p.y, p.x + p.width, p.y + p.height) for p in drawing.parts if isinstance(p, Box)]
        assert not any(overlap(*pair) for pair in combinations(boxes, 2))
        assert max(box[2] for box in boxes) <= drawing.width
    assert stack([BodyDrawing(), one, BodyDrawing()]).parts == one.parts


def test_flipping_twice_changes_nothing() -> None:
    drawing = stack([box(["one"], "call"), beside(box(["two"], "call"), BodyDrawing(), "add")])
    assert drawing.flipped().flipped() == drawing
    assert drawing.flipped() != drawing
