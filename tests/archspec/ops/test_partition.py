"""The ways into windows and out of them: shapes, rolls and what is refused."""

from __future__ import annotations

import pytest

from archspec.ops import EnterWindows, LeaveWindows, OpError, Shape


def test_a_map_is_padded_to_whole_windows_and_cut_back() -> None:
    x, enter, leave = Shape(3, 9, 14), EnterWindows(size=(4, 7), shift=(2, 3)), LeaveWindows(size=(4, 7), shift=(2, 3))
    assert enter.infer(x) == Shape(3, 12, 14)
    assert leave.infer(Shape(5, 12, 14), x) == Shape(5, 9, 14)


def test_an_axis_of_one_window_is_not_rolled() -> None:
    op = EnterWindows(size=4, shift=2)
    assert op.shifts(Shape(3, 4, 5)) == (0, 2)
    assert op.is_idle(Shape(3, 4, 4))
    assert not op.is_idle(Shape(3, 4, 8))
    assert EnterWindows(size=4).is_idle(Shape(3, 4, 8))


@pytest.mark.parametrize(
    ("op", "shapes", "message"),
    [
        (EnterWindows(size=4), (Shape(3),), "windows needs one to three spatial axes, found the shape 3"),
        (EnterWindows(size=4, shift=4), (Shape(3, 8),), "shift: 4 should be below the window's size, 4"),
        (EnterWindows(size=(4, 4)), (Shape(3, 8),), "size: [4, 4] has 2 entries, and 3×8 has 1 spatial axis"),
        (LeaveWindows(size=4), (Shape(3, 9), Shape(3, 9)), "windows of 3×9 leave 3×12, found 3×9"),
    ],
)
def test_each_mistake_is_told(op: EnterWindows | LeaveWindows, shapes: tuple[Shape, ...], message: str) -> None:
    with pytest.raises(OpError) as found:
        op.infer(*shapes)
    assert message in str(found.value)
