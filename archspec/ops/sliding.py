"""What operations share that slide a window over maps: the windows that their fields say, and what these pad."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import prod

from archspec.ops.fields import AlongAxes, along, at_axis
from archspec.ops.values import ONE, Shape
from archspec.ops.window import PaddingRule, Window, pad_window
from archspec.wording import write_shape


def find_windows(
    x: Shape,
    *,
    kernel: AlongAxes[int],
    stride: AlongAxes[int],
    padding: AlongAxes[PaddingRule | int],
    dilation: AlongAxes[int] = 1,
) -> tuple[Window, ...]:
    """The window along each spatial axis of x. Raises OpError where a list has not one entry for each."""
    if padding != "same_end" and tuple not in map(type, (kernel, stride, padding, dilation)):
        return (pad_window(kernel, stride, padding, dilation, 1),) * x.rank  # one for all axes, whatever their extents
    kernels, strides = along(kernel, x, "kernel"), along(stride, x, "stride")
    paddings, dilations = along(padding, x, "padding"), along(dilation, x, "dilation")
    return tuple(map(pad_window, kernels, strides, paddings, dilations, x.space))


def find_stride(stride: AlongAxes[int], axis: int) -> Fraction:
    """The stride fraction along a spatial axis; that of most windows is one."""
    step = at_axis(stride, axis)
    return ONE if step == 1 else Fraction(step)


def tell_reach(windows: Sequence[Window]) -> str:
    """Write the extents of dilated windows: one number where they are equal."""
    return tell_each(window.reach for window in windows)


def tell_each(numbers: Iterable[int]) -> str:
    """Write a number for each axis: one alone where they are equal."""
    each = [*numbers]
    return write_shape(each if len({*each}) > 1 else each[:1])


def pads_by_size(padding: AlongAxes[PaddingRule | int], windows: Sequence[Window]) -> bool:
    """True if what is padded depends on the size of a map."""
    rules = padding if isinstance(padding, tuple) else (padding,) * len(windows)
    return any(rule == "same_end" and w.stride > 1 for rule, w in zip(rules, windows, strict=True))


def pads_apart(padding: AlongAxes[PaddingRule | int], windows: Sequence[Window]) -> bool:
    """True if torch pads in a step of its own: more at one end of an axis than at the other, or what its size asks
    for."""
    return pads_by_size(padding, windows) or any(window.before != window.after for window in windows)


def count_padded(padding: AlongAxes[PaddingRule | int], windows: Sequence[Window], x: Shape) -> int:
    """Count the values of the padded x that torch makes in a step of its own; 0 where it makes none."""
    if not pads_apart(padding, windows) or not any(window.padding for window in windows):
        return 0
    return x.channels * prod(size + window.padding for size, window in zip(x.space, windows, strict=True))
