"""Slices: what they take, against Python's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from archspec.ops import OpError, Shape, Slice
from archspec.ops.values import Layout
from compiler.torch_target.moves import Slice as SliceModule
from tests.support.documents import graph_from


@pytest.mark.parametrize(
    ("op", "message", "field"),
    [
        (
            Slice(start=4, stop=4),
            "from 4 to 4 there is none of the 8 channels of 8×5; slice needs one at least",
            "stop",
        ),
        (Slice(axis=1, start=5), "from 5 to the end there is none of the 5 positions along axis 1 of 8×5", "start"),
        (Slice(stop=9), "slice has stop: 9, outside the 8 channels of 8×5", "stop"),
        (Slice(axis=-1, start=-6), "slice has start: -6, outside the 5 positions along axis 1 of 8×5", "start"),
        (Slice(axis=2), r"slice along axis 2: 8×5 has the axes 0 \(its channels\) to 1", "axis"),
        (Slice(axis=-3), "slice along axis -3", "axis"),
    ],
)
def test_refuses(op: Slice, message: str, field: str) -> None:
    with pytest.raises(OpError, match=message) as caught:
        op.infer(Shape(8, 5))
    assert caught.value.field == field


ENDS = st.integers(-9, 9)


@given(st.builds(Slice, axis=st.integers(-2, 1), start=ENDS, stop=st.none() | ENDS, step=st.integers(1, 4)))
def test_takes_what_python_takes(op: Slice) -> None:
    """Or refuses, where that is nothing, or reaches outside."""
    x = Shape(7, 6)
    inside = all(-x[op.axis] <= end <= x[op.axis] for end in (op.start, op.stop) if end is not None)
    taken = range(x[op.axis])[op.start : op.stop : op.step]
    if not (inside and taken):
        with pytest.raises(OpError):
            op.infer(x)
        return
    assert op.take(x) == (op.axis % 2, taken)
    value = torch.arange(42.0).reshape(1, 7, 6)
    found = SliceModule(op.axis, op.start, op.stop, op.step)(value)
    assert tuple(found.shape[1:]) == op.infer(x)
    assert found.select(1 + op.axis % 2, -1).equal(value.select(1 + op.axis % 2, taken[-1]))


@pytest.mark.parametrize(("written", "axis"), [(-1, 2), (-2, 1), (-3, 0), (1, 1)])
def test_an_axis_from_the_last_is_settled_by_the_shape(written: int, axis: int) -> None:
    graph = graph_from(
        {"archspec": 1, "inputs": {"x": [4, 5, 6]}, "network": [{"slice": {"axis": written, "stop": 2}}]}
    )
    assert graph["slice_0"].op == Slice(axis=axis, stop=2)


def test_repeated_slices_share_their_operation() -> None:
    body = [{"slice": {"axis": -1, "stop": -1}}]
    graph = graph_from({"archspec": 1, "inputs": {"x": [4, 9]}, "network": [{"repeat": {"n": 3, "body": body}}]})
    assert len({id(node.op) for node in graph if node.op.kind == "slice"}) == 1


def test_what_takes_all_changes_nothing_unless_a_larger_size_would_lose_some() -> None:
    assert Slice(stop=4).changes_nothing(Shape(4, 5))
    assert Slice(axis=1).changes_nothing(Shape(4, 5))
    assert not Slice(axis=1, stop=5).changes_nothing(Shape(4, 5))
    assert not Slice(stop=4).changes_nothing(Shape(4))


@pytest.mark.parametrize(
    ("op", "last", "dense"),
    [
        (Slice(stop=2), False, True),
        (Slice(stop=2), True, False),
        (Slice(axis=1, stop=2), False, False),
        (Slice(axis=1, stop=2), True, True),
        (Slice(step=2), False, False),
    ],
)
def test_lies_as_torchs_view(op: Slice, last: bool, dense: bool) -> None:
    x = torch.zeros(1, 4, 5, 6)
    view = SliceModule(op.axis, op.start, op.stop, op.step)(x.to(memory_format=torch.channels_last) if last else x)
    extents = sorted(zip(view.stride()[1:], view.shape[1:], strict=True))
    whole = all(stride == before for (stride, _), before in zip(extents, (1, *_products(extents)), strict=False))
    found = op.lay([Layout(channels_last=last)], Shape(4, 5, 6), batch=1)
    assert found == Layout(last, dense, dense)
    assert whole == dense


def _products(extents: list[tuple[int, int]]) -> list[int]:
    total, found = 1, []
    for _, extent in extents:
        total *= extent
        found.append(total)
    return found
