"""Pooling to a given number of positions, against torch's."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch.nn import functional as F

from archspec.ops import AdaptiveAvgPool, AdaptiveMaxPool, OpError, Shape
from archspec.ops.adaptive import AdaptivePool, AdaptiveWindows, find_window
from archspec.ops.signal.moments import standard, unit_gradient

PAIRS = [(extent, count) for extent in (1, 2, 5, 6, 12, 13) for count in (1, 2, 3, 5, 6, 7, 20)]


@pytest.mark.parametrize(("extent", "count"), PAIRS)
def test_windows_are_those_with_a_gradient(extent: int, count: int) -> None:
    x = torch.rand(1, 1, extent, requires_grad=True)
    pooled = F.adaptive_avg_pool1d(x, count)
    for place in range(count):
        (gradient,) = torch.autograd.grad(pooled[0, 0, place], x, retain_graph=True)
        seen = gradient[0, 0].nonzero().flatten().tolist()
        assert seen == [*find_window(extent, count, place)]
        (positions,) = AdaptiveAvgPool(size=count).input_span(0, (place, place), Shape(1, extent))
        assert [i for part in positions or () for i in part] == seen


@pytest.mark.parametrize(("extent", "count"), PAIRS)
def test_windows_go_on_by_the_pace(extent: int, count: int) -> None:
    """After a whole number of positions what is read repeats, so much further."""
    pace = AdaptiveMaxPool(size=count).pace(0, Shape(1, extent))
    for place in range(count):
        later = find_window(extent, count, place + pace.denominator)
        now = find_window(extent, count, place)
        assert later == range(now.start + pace.numerator, now.stop + pace.numerator)


@pytest.mark.parametrize(("extent", "count"), [(12, 4), (13, 5), (3, 7)])
def test_moments_are_those_of_many_values(extent: int, count: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(3000, 1, extent, 8, requires_grad=True)
    pooled = F.adaptive_avg_pool2d(x, (count, 3))
    (gradient,) = torch.autograd.grad(pooled, x, torch.randn_like(pooled))
    op, shape = AdaptiveAvgPool(size=(count, 3)), Shape(1, extent, 8)
    assert op.moments(standard(shape)).whole.second == pytest.approx(float(pooled.detach().square().mean()), rel=0.03)
    (found,) = op.gradients(unit_gradient(op.infer(shape)), standard(shape))
    assert found.second == pytest.approx(float(gradient.square().mean()), rel=0.03)
    spread = gradient.square().mean((0, 1, 3)) / gradient.square().mean()
    assert [*found.axes[0].values] == pytest.approx(spread.tolist(), rel=0.1)


@pytest.mark.parametrize("shape", [Shape(3, 5), Shape(3, 5, 7), Shape(3, 5, 7, 4)])
def test_costs_count_each_place_of_each_window(shape: Shape) -> None:
    ones = F.adaptive_avg_pool1d(torch.ones(1, 1, 5), 3)
    assert ones.numel() == 3
    counts = [sum(len(find_window(size, 3, i)) for i in range(3)) for size in shape.space]
    assert AdaptiveAvgPool(size=3).elementwise(shape) == 3 * torch.tensor(counts).prod().item()


def test_refuses_vectors_and_sizes_of_other_axes() -> None:
    with pytest.raises(OpError, match="adaptive_avg_pool needs one to three spatial axes, found the shape 3"):
        AdaptiveAvgPool(size=2).infer(Shape(3))
    with pytest.raises(OpError, match="has 2 entries, and 3×8 has 1 spatial axis"):
        AdaptiveMaxPool(size=(2, 2)).infer(Shape(3, 8))


@pytest.mark.parametrize("extent", [1, 2, 5, 6, 12, 13])
def test_lengths_of_windows_are_counted_without_a_list(extent: int) -> None:
    for count in range(1, 30):
        lengths = Counter(len(find_window(extent, count, i)) for i in range(count))
        windows = AdaptiveWindows(extent, count)
        assert {length: number for length, number in windows.lengths.items() if number} == lengths
        assert windows.places == sum(lengths.elements())
        assert windows.shares == pytest.approx(sum(number / length for length, number in lengths.items()))


@pytest.mark.parametrize("kind", [AdaptiveAvgPool, AdaptiveMaxPool])
def test_huge_numbers_of_windows_are_not_looked_at_one_by_one(kind: type[AdaptivePool]) -> None:
    """2^31 windows would take minutes, and more memory than there is."""
    op, x = kind(size=2**31 - 1), Shape(3, 8)
    assert op.elementwise(x) == 3 * (8 + op.infer(x)[1] - 1)
    assert op.gradients(unit_gradient(op.infer(x)), standard(x))[0].second > 0
    moments = op.moments(standard(x))
    assert moments
    assert 0 < moments.whole.second <= 2
