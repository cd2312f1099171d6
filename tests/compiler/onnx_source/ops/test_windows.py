"""Foreign windows read as those of the language do."""

from __future__ import annotations

import pytest

from archspec.ops import AvgPool, Conv, Op, Shape
from compiler.onnx_source.ops.windows import Convolution

X = Shape(1, 20)


def build_window(kernel: int, stride: int, begin: int, dilation: int) -> Convolution:
    fields = {"kernel": (kernel,), "strides": (stride,), "begins": (begin,), "dilations": (dilation,)}
    return Convolution(gives=(1, 9), weight=(1, 1, kernel), out=1, bias=False, **fields)


@pytest.mark.parametrize(
    ("ours", "foreign"),
    [
        (Conv(out=1, kernel=5, stride=2, padding=1, dilation=2), build_window(5, 2, 1, 2)),
        (AvgPool(kernel=3, stride=2, padding=1), build_window(3, 2, 1, 1)),
    ],
)
def test_foreign_windows_read_as_the_languages_do(ours: Op, foreign: Op) -> None:
    for span in ((0, 0), (3, 7)):
        assert [[*(read or ())] for read in ours.input_span(0, span, X)] == [
            [*(read or ())] for read in foreign.input_span(0, span)
        ]
    assert ours.stride_fraction(0) == foreign.stride_fraction(0)
