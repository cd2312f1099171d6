"""Rows of tokens whose axes stand in another order are those rows again once the order is one of the graph's."""

from __future__ import annotations

import pytest

from compiler.onnx_source.samples import SampleAxis
from compiler.onnx_source.turned import AXES, BATCH, DIRECTION, HIDDEN, STEP, TurnedRow, turn_row
from compiler.onnx_source.values import FileValue

ROW = FileValue("row", (2, 12, 7), (0, 1, 2), samples=SampleAxis(0))


@pytest.mark.parametrize("perm", [(0, 1, 2), (0, 2, 1)])
def test_a_row_is_itself_in_the_orders_of_the_graph(perm: tuple[int, ...]) -> None:
    settled = turn_row(ROW).permute(perm).settle()
    assert settled == FileValue("row", tuple(ROW.shape[axis] for axis in perm), perm, samples=SampleAxis(0))
    assert settled is not None
    assert turn_row(settled) == TurnedRow(ROW, tuple(AXES[axis] for axis in perm))


def test_the_batch_goes_and_comes_back() -> None:
    away = turn_row(ROW).permute((2, 0, 1))
    assert away.parts == ((STEP,), (BATCH,), (DIRECTION, HIDDEN))
    assert away.settle() is None
    assert away.permute((1, 2, 0)).settle() == ROW


def test_directions_are_joined_to_channels() -> None:
    """And not where they stand before the steps."""
    split = TurnedRow(ROW, ((STEP,), (DIRECTION,), (BATCH,), (HIDDEN,)), directions=2)
    joined = split.permute((2, 1, 3, 0)).lay_out((2, 12, 7))
    assert joined is not None
    assert joined.settle() == ROW
    other = split.permute((2, 1, 0, 3)).lay_out((2, 14, 6))
    assert other is not None
    assert other.settle() is None
    assert split.lay_out((7, 3, 8)) is None


def test_a_single_direction_may_stand_anywhere() -> None:
    one = TurnedRow(ROW, ((STEP,), (DIRECTION,), (BATCH,), (HIDDEN,)))
    squeezed = one.lay_out((7, 2, 12))
    assert squeezed is not None
    assert squeezed.permute((1, 2, 0)).settle() == ROW


def test_a_single_sample_stays_an_axis() -> None:
    row = FileValue("row", (1, 12, 7), (0, 1, 2))
    one = TurnedRow(row, ((STEP,), (DIRECTION,), (BATCH,), (HIDDEN,)))
    squeezed = one.lay_out((7, 1, 12))
    assert squeezed is not None
    assert squeezed.parts == ((STEP,), (BATCH,), (DIRECTION, HIDDEN))
