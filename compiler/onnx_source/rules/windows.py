"""Convolutions and pooling: whatever slides a window over maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archspec import ops
from archspec.bounds import MAX_WHOLE
from archspec.ops import Layer, Window
from archspec.ops.fields import AlongAxes, one_or_each
from archspec.ops.sliding import pads_by_size
from archspec.ops.window import PaddingRule, pad_window, say_padding
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.ops.windows import Convolution, Pool, TransposedConvolution
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError

Sides = tuple[Window, ...]
"""The windows along all axes; one whose padding is negative cuts off what lies there."""


def conv(call: NodeCall) -> Operand:
    x, (kernel, stored) = call.straighten(call.value()), _read_kernel(call)
    groups, space = call.attribute("group", 1), x.shape[2:]
    if not space or len(kernel.shape) != len(x.shape) or groups < 1 or kernel.shape[1] * groups != x.shape[1]:
        call.fail(f"a kernel of {_text(kernel.shape)} with {groups} groups does not fit {_text(x.shape)}")
    call.keep_samples(x)
    windows = _read_windows(call, kernel.shape[2:], space)
    fields: dict[str, Any] = {"out": kernel.shape[0], "groups": groups, "bias": "bias" in stored}
    padding = _say_padding(call, windows, space)
    if padding is None and call.is_map(x) and min(min(w.before, w.after) for w in windows) >= 0:
        x, windows = _pad_apart(call, x, windows)
        padding = one_or_each(w.before for w in windows)
    if padding is not None and call.is_map(x):
        return call.add(build(call, ops.Conv, **fields, **_say(windows), padding=padding), x, **stored)
    shape = (x.shape[0], kernel.shape[0], *map(Window.slide, windows, space))
    return call.foreign(Convolution, [x], shape, stored=stored, weight=kernel.shape, **fields, **_list_fields(windows))


def deform_conv(call: NodeCall) -> Operand:
    """Read a convolution whose taps are moved by a value, and weighed by another; beyond the ends of what is padded
    apart they find zeros too."""
    kernel, stored = _read_kernel(call, bias=3)
    given = [item for item in (call.operand(0), call.operand(2), call.operand(4)) if item is not None]
    values = [call.straighten(item) for item in given if isinstance(item, FileValue)]
    if len(values) < len(given) or not all(map(call.is_map, values)) or len(kernel.shape) != 4:
        raise UnknownOpError
    windows = _read_windows(call, kernel.shape[2:], values[0].shape[2:])
    padding = _say_padding(call, windows, values[0].shape[2:])
    if padding is None or pads_by_size(padding, windows):
        if min(min(w.before, w.after) for w in windows) < 0:
            raise UnknownOpError
        values[0], windows = _pad_apart(call, values[0], windows)
        padding = one_or_each(w.before for w in windows)
    fields = {"groups": call.attribute("group", 1), "offset_groups": call.attribute("offset_group", 1)}
    said = {"out": kernel.shape[0], "bias": "bias" in stored, **fields, **_say(windows), "padding": padding}
    return call.add(build(call, ops.DeformConv, **said), *values, **stored)


def conv_transpose(call: NodeCall) -> Operand:
    x, (kernel, stored) = call.straighten(call.value()), _read_kernel(call)
    groups, space = call.attribute("group", 1), x.shape[2:]
    if not space or len(kernel.shape) != len(x.shape) or groups < 1 or kernel.shape[0] != x.shape[1]:
        call.fail(f"a kernel of {_text(kernel.shape)} does not fit {_text(x.shape)}")
    call.keep_samples(x)
    windows, extra = _read_transposed(call, kernel.shape[2:], space)
    fields: dict[str, Any] = {"out": kernel.shape[1] * groups, "groups": groups, "bias": "bias" in stored}
    # What is cut off less at the end than at the beginning is an output padding.
    grown = [more + w.before - w.after for w, more in zip(windows, extra, strict=True)]
    small = all(0 <= more < max(w.stride, w.dilation) for w, more in zip(windows, grown, strict=True))
    if small and min(w.before for w in windows) >= 0 and call.is_map(x):
        fields |= {"padding": one_or_each(w.before for w in windows), "output_padding": one_or_each(grown)}
        return call.add(build(call, ops.ConvTranspose, **fields, **_say(windows)), x, **stored)
    shape = (x.shape[0], fields["out"], *_grow(windows, space, extra))
    kind = TransposedConvolution
    return call.foreign(kind, [x], shape, stored=stored, weight=kernel.shape, **fields, **_list_fields(windows))


def pool(function: str) -> NodeRule:
    def rule(call: NodeCall) -> list[Operand]:
        found = slide(call)
        if not isinstance(found, FileValue) or not call.gives(1):
            return [found]
        return [found, call.move("places", found, found.shape)]

    def slide(call: NodeCall) -> Operand:
        x = call.straighten(call.value())
        kernel = tuple(call.ints("kernel_shape"))
        if not kernel or len(kernel) != len(x.shape) - 2 or min(kernel) < 1:
            call.fail(f"a window of {_text(kernel)} does not fit {_text(x.shape)}")
        call.keep_samples(x)
        windows, ceil = _read_windows(call, kernel, x.shape[2:]), call.attribute("ceil_mode", 0) == 1
        padded = function == "average" and any(w.before or w.after for w in windows)
        fields = {"count": "inside"} if padded and call.attribute("count_include_pad", 0) != 1 else {}
        kinds: dict[str, type[Layer]] = {"max": ops.MaxPool, "average": ops.AvgPool}
        kind = kinds.get(function)
        padding = _say_padding(call, windows, x.shape[2:])
        if kind and _fits_pool(windows, padding) and call.is_map(x):
            said = {name: value for name, value in _say(windows).items() if name != "dilation"}
            return call.add(build(call, kind, ceil=ceil, **said, **fields, padding=padding), x)
        counts = [w.slide(size, ceil=ceil) for w, size in zip(windows, x.shape[2:], strict=True)]
        details = call.tell("p", *(["count_include_pad"] if padded else []))
        windowed = _list_fields(windows)
        return call.foreign(Pool, [x], (*x.shape[:2], *counts), function=function, details=details, **windowed)

    return rule


def _fits_pool(windows: Sides, padding: AlongAxes[PaddingRule | int] | None) -> bool:
    """Tell whether a pooling of the language has these windows, with this padding: a number is at most half of one."""
    if padding is None or any(w.dilation > 1 for w in windows):
        return False
    given = padding if isinstance(padding, tuple) else (padding,) * len(windows)
    return all(isinstance(rule, str) or 2 * rule <= w.kernel for w, rule in zip(windows, given, strict=True))


def pool_globally(op: ops.GlobalAvgPool | ops.GlobalMaxPool) -> NodeRule:
    def rule(call: NodeCall) -> Operand:
        x = call.straighten(call.value())
        if call.is_map(x):
            return call.add(op, x)
        call.keep_samples(x)
        space = x.shape[2:]
        windows = tuple(Window(size, 1) for size in space)
        function = "max" if isinstance(op, ops.GlobalMaxPool) else "average"
        shape = (*x.shape[:2], *(1 for _ in space))
        return call.foreign(Pool, [x], shape, function=function, **_list_fields(windows))

    return rule


def _read_windows(call: NodeCall, kernel: Sequence[int], space: Sequence[int]) -> Sides:
    rank = len(kernel)
    written = call.ints("kernel_shape")
    strides, dilations = (_read(call, name, rank, 1, least=1) for name in ("strides", "dilations"))
    if (written and tuple(written) != tuple(kernel)) or len(space) != rank or min(kernel) < 1:
        call.fail(f"a window of {_text(written or kernel)} does not fit {_text(kernel)} over {_text(space)}")
    pads = _read(call, "pads", 2 * rank, 0, least=-MAX_WHOLE)
    windows = tuple(map(Window, kernel, strides, pads[:rank], pads[rank:], dilations))
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        missing = [
            pad_window(w.kernel, w.stride, "same_end", w.dilation, n) for w, n in zip(windows, space, strict=True)
        ]
        return _pad(windows, [w.padding for w in missing], more_first=auto == "SAME_LOWER")
    return _pad(windows, [0] * rank) if auto == "VALID" else windows


def _read_transposed(call: NodeCall, kernel: Sequence[int], space: Sequence[int]) -> tuple[Sides, Dims]:
    """The windows of a transposed convolution, and what is added after the end."""
    windows = _read_windows(call, kernel, space)
    extra = _read(call, "output_padding", len(kernel), 0, least=0)
    wanted, auto = call.ints("output_shape")[-len(kernel) :], call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") and not wanted:
        wanted = [size * w.stride for size, w in zip(space, windows, strict=True)]
    if not wanted:
        return windows, extra
    whole = _grow(_pad(windows, [0] * len(kernel)), space, extra)
    missing = [size - due for size, due in zip(whole, wanted, strict=True)]
    return _pad(windows, missing, more_first=auto != "SAME_UPPER"), extra


def _read(call: NodeCall, name: str, count: int, default: int, least: int) -> Dims:
    found = call.ints(name) or [default] * count
    if len(found) != count or min(found) < least or max(found) > MAX_WHOLE:
        call.fail(f"{name} should be {count} numbers from {least}, found {_text(found[:12])}")
    return tuple(found)


def _pad(windows: Sides, missing: Sequence[int], *, more_first: bool = False) -> Sides:
    """Give windows so much padding along each axis; an odd position goes to the end, or to the beginning."""
    begins = [(size + 1) // 2 if more_first else size // 2 for size in missing]
    rows = zip(windows, begins, missing, strict=True)
    return tuple(replace(window, before=begin, after=size - begin) for window, begin, size in rows)


def _grow(windows: Sides, space: Sequence[int], extra: Sequence[int]) -> Dims:
    """Count the positions along each axis behind a transposed convolution."""
    rows = zip(space, windows, extra, strict=True)
    return tuple((size - 1) * w.stride + w.reach + more - w.padding for size, w, more in rows)


def _say(windows: Sides) -> dict[str, Any]:
    """The fields of an operation of the language with these windows, but for their padding."""
    return {name: one_or_each(getattr(w, name) for w in windows) for name in ("kernel", "stride", "dilation")}


def _say_padding(call: NodeCall, windows: Sides, space: Sequence[int]) -> AlongAxes[PaddingRule | int] | None:
    """Say the padding as the language does; None where it is none that the language has."""
    if call.attribute("auto_pad", "NOTSET") == "SAME_UPPER":
        return "same_end"
    said = list(map(_say_side, windows, space))
    if len({*said}) > 1 and all(w.before == w.after == (w.reach - 1) / 2 for w in windows):
        return "same"
    return None if None in said else one_or_each(rule for rule in said if rule is not None)


def _say_side(window: Window, size: int) -> PaddingRule | int | None:
    if min(window.before, window.after) < 0:
        return None
    fitted = pad_window(window.kernel, window.stride, "same_end", window.dilation, size)
    return "same_end" if window == fitted and window.before < window.after else say_padding(window)


def _pad_apart(call: NodeCall, x: FileValue, windows: Sides) -> tuple[FileValue, Sides]:
    """Pad a map by an operation of its own with what is more at one end of an axis than at the other."""
    even = tuple(replace(w, before=min(w.before, w.after), after=min(w.before, w.after)) for w in windows)
    before, after = (
        one_or_each(getattr(w, side) - getattr(kept, side) for w, kept in zip(windows, even, strict=True))
        for side in ("before", "after")
    )
    return call.add(build(call, ops.Pad, before=before, after=after), x), even


def _list_fields(windows: Sides) -> dict[str, Any]:
    """The fields of a foreign operation with these windows."""
    names = {"kernel": "kernel", "strides": "stride", "begins": "before", "dilations": "dilation"}
    return {field: tuple(getattr(window, name) for window in windows) for field, name in names.items()}


def _read_kernel(call: NodeCall, bias: int = 2) -> tuple[Constant, dict[str, Constant]]:
    """The kernel, and it with the bias, if there is one, as weights; `bias` is its place among the operands."""
    kernel = call.stored(1)
    return kernel, {"weight": kernel} | ({"bias": call.stored(bias)} if call.operand(bias) is not None else {})


def _text(extents: Sequence[int]) -> str:
    return write_shape(extents, "nothing")


def fused_conv(call: NodeCall) -> Operand:
    """Add a convolution and the activation that an optimizer put into it."""
    after = call.attribute("activation", "")
    if call.operand(3) is not None or (after and after not in ACTIVATIONS):
        raise UnknownOpError
    found = conv(call)
    assert isinstance(found, FileValue)
    numbers = call.floats("activation_params")
    return call.add(ACTIVATIONS[after](*numbers), found) if after else found


def _read_clip(low: float = -math.inf, high: float = math.inf) -> Layer:
    if low or high not in (6, math.inf):
        raise UnknownOpError
    return ops.Relu6() if high == 6 else ops.Relu()


ACTIVATIONS: Mapping[str, Callable[..., Layer]] = {
    "Relu": ops.Relu,
    "Sigmoid": ops.Sigmoid,
    "Tanh": ops.Tanh,
    "LeakyRelu": lambda slope=0.01: ops.LeakyRelu(slope=slope),
    "Clip": _read_clip,
}

RULES: Mapping[str, NodeRule] = {
    "Conv": conv,
    "com.microsoft:FusedConv": fused_conv,
    "ConvTranspose": conv_transpose,
    "DeformConv": deform_conv,
    "MaxPool": pool("max"),
    "AveragePool": pool("average"),
    "LpPool": pool("norm"),
    "GlobalAveragePool": pool_globally(ops.GlobalAvgPool()),
    "GlobalMaxPool": pool_globally(ops.GlobalMaxPool()),
}
