"""Sliding windows: what they read and write by enumeration, and how many there are by torch."""

from __future__ import annotations

import warnings
from itertools import product

import pytest
import torch
from torch.nn import functional

from archspec.ops import Conv, ConvTranspose, OpError, Shape, Window
from archspec.ops.window import Positions, count_pairs, pad_window, run


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3, 7])
def test_what_a_transposed_convolution_reads_by_enumeration(stride: int, dilation: int) -> None:
    for kernel, padding, first, more in product((1, 2, 5), (0, 3), (-4, 0, 1, 6), (0, 1, 9)):
        span = (first, first + more)
        places = {i: [i * stride - padding + tap * dilation for tap in range(kernel)] for i in range(-60, 60)}
        readers = [i for i, reached in places.items() if any(span[0] <= place <= span[1] for place in reached)]
        op = ConvTranspose(out=1, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
        assert enumerated(op.input_span(0, span, Shape(1, 40))) == readers


@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("dilation", [1, 2, 3, 7])
def test_what_a_convolution_reads_by_enumeration(stride: int, dilation: int) -> None:
    for kernel, padding, first, more in product((1, 2, 5), (0, 3), (-4, 0, 1, 6), (0, 1, 9)):
        span = (first, first + more)
        places = {i * stride - padding + tap * dilation for i in range(first, span[1] + 1) for tap in range(kernel)}
        op = Conv(out=1, kernel=kernel, stride=stride, dilation=dilation, padding=padding)
        assert enumerated(op.input_span(0, span, Shape(1, 40))) == sorted(places)


def enumerated(found: tuple[Positions | None, ...]) -> list[int]:
    ((*progressions,),) = filter(None, found)
    return sorted({place for places in progressions for place in places})


def test_far_taps_of_a_transposed_convolution_are_found_at_once() -> None:
    """Going through all input positions between them would take minutes."""
    op = ConvTranspose(out=1, kernel=2, stride=2, dilation=10**9 + 1)
    assert enumerated(op.input_span(0, (0, 0), Shape(1, 4))) == [0]
    assert enumerated(op.input_span(0, (1, 1), Shape(1, 4))) == [-(10**9) // 2]
    assert enumerated(op.input_span(0, (0, 1), Shape(1, 4))) == [-(10**9) // 2, 0]


@pytest.mark.parametrize("ceil", [False, True])
def test_windows_are_as_many_as_torchs(ceil: bool) -> None:
    for kernel, stride, padding, size in product((1, 2, 3, 5), (1, 2, 3), (0, 1), (5, 6, 9)):
        if 2 * padding <= kernel:
            pooled = functional.max_pool1d(torch.zeros(1, 1, size), kernel, stride, padding, ceil_mode=ceil)
            assert Window(kernel, stride, padding, padding).slide(size, ceil=ceil) == pooled.shape[-1]


def test_live_taps_are_those_with_a_gradient() -> None:
    for kernel, stride, padding, dilation, size in product((2, 5), (1, 3), (0, 4), (1, 3), (1, 3, 6)):
        window = Window(kernel, stride, padding, padding, dilation)
        count = window.slide(size)
        if count > 0:
            weight = torch.zeros(1, 1, kernel, requires_grad=True)
            functional.conv1d(torch.ones(1, 1, size), weight, None, stride, padding, dilation).sum().backward()
            assert weight.grad is not None
            assert window.count_live(size, count) == int((weight.grad != 0).sum()), window


def test_rules_of_padding_are_tensorflows_and_torchs() -> None:
    """TensorFlow documents its SAME as ⌈size / stride⌉ windows, with an odd position of the padding at the end; torch's
    `same` at stride 1 is that too."""
    for kernel, stride, dilation, size in product((1, 2, 3, 5), (1, 2, 3), (1, 2), (1, 4, 5, 7)):
        window = pad_window(kernel, stride, "same_end", dilation, size)
        assert window.slide(size) == -(-size // stride)
        assert window.after - window.before in (0, 1)
        inside = Window(kernel, stride, window.before, max(0, window.after - 1), dilation)
        assert window.padding == 0 or inside.slide(size) < window.slide(size)  # nothing more than it needs
        if stride == 1:
            x, weight = torch.arange(1.0, size + 1)[None, None], torch.arange(1.0, kernel + 1)[None, None]
            padded = functional.pad(x, (window.before, window.after))
            with warnings.catch_warnings():  # torch tells that it copies x where it pads one end alone
                warnings.simplefilter("ignore")
                expected = functional.conv1d(x, weight, padding="same", dilation=dilation)
            assert torch.equal(functional.conv1d(padded, weight, dilation=dilation), expected)
        causal = pad_window(kernel, stride, "causal", dilation, size)
        assert (causal.before, causal.after) == ((kernel - 1) * dilation, 0)
    with pytest.raises(
        OpError, match="padding: same needs an odd kernel, found 2; give padding a number or `same_end`"
    ):
        pad_window(2, 1, "same", 1, 8)


def test_a_run_has_both_its_ends() -> None:
    assert [list(places) for places in run((2, 4))] == [[2, 3, 4]]


@pytest.mark.parametrize("extent", [1, 2, 5, 9])
def test_pairs_of_near_positions_are_counted(extent: int) -> None:
    for reach in (0, 1, 3, 8, 20):
        pairs = [pair for pair in product(range(extent), repeat=2) if abs(pair[0] - pair[1]) <= reach]
        assert count_pairs(extent, reach) == len(pairs)
    assert count_pairs(extent, 2**31) == extent**2
