"""Convolutions and pooling: whatever slides a window over maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archspec import ops
from archspec.bounds import MAX_WHOLE
from archspec.ops import Layer
from archspec.wording import write_shape
from compiler.onnx_source.call import NodeCall, NodeRule, build
from compiler.onnx_source.ops.foreign import Dims
from compiler.onnx_source.ops.windows import Convolution, Pool, TransposedConvolution
from compiler.onnx_source.values import Constant, FileValue, Operand, UnknownOpError


@dataclass(frozen=True)
class Windows:
    """The windows along all axes, and what is padded there."""

    kernel: Dims
    strides: Dims
    dilations: Dims
    begins: Dims
    ends: Dims

    @property
    def reach(self) -> Dims:
        return tuple(d * (k - 1) + 1 for d, k in zip(self.dilations, self.kernel, strict=True))

    @property
    def same_everywhere(self) -> bool:
        """True if it is one window along all axes, with one padding on both sides."""
        pairs = zip(self.kernel, self.strides, self.dilations, self.begins, self.ends, strict=True)
        return len({*pairs}) == 1 and self.begins == self.ends

    def fields(self) -> dict[str, Any]:
        """The fields of a foreign operation with these windows."""
        return {name: getattr(self, name) for name in ("kernel", "strides", "begins", "dilations")}


def conv(call: NodeCall) -> Operand:
    x, (kernel, stored) = call.straighten(call.value()), _read_kernel(call)
    groups, space = call.attribute("group", 1), x.shape[2:]
    if not space or len(kernel.shape) != len(x.shape) or groups < 1 or kernel.shape[1] * groups != x.shape[1]:
        call.fail(f"a kernel of {_text(kernel.shape)} with {groups} groups does not fit {_text(x.shape)}")
    call.keep_samples(x)
    windows = _read_windows(call, kernel.shape[2:], space)
    fields: dict[str, Any] = {"out": kernel.shape[0], "groups": groups, "bias": "bias" in stored}
    if windows.same_everywhere and call.is_map(x) and windows.begins[0] >= 0:
        return call.add(build(call, ops.Conv, **fields, **_single(windows)), x, **stored)
    shape = (x.shape[0], kernel.shape[0], *_slide(windows, space))
    return call.foreign(Convolution, [x], shape, stored=stored, weight=kernel.shape, **fields, **windows.fields())


def conv_transpose(call: NodeCall) -> Operand:
    x, (kernel, stored) = call.straighten(call.value()), _read_kernel(call)
    groups, space = call.attribute("group", 1), x.shape[2:]
    if not space or len(kernel.shape) != len(x.shape) or groups < 1 or kernel.shape[0] != x.shape[1]:
        call.fail(f"a kernel of {_text(kernel.shape)} does not fit {_text(x.shape)}")
    call.keep_samples(x)
    windows, extra = _read_transposed(call, kernel.shape[2:], space)
    fields: dict[str, Any] = {"out": kernel.shape[1] * groups, "groups": groups, "bias": "bias" in stored}
    plain = len({*extra}) == 1 and extra[0] < max(windows.strides[0], windows.dilations[0]) and windows.begins[0] >= 0
    if windows.same_everywhere and plain and call.is_map(x):
        single = {**_single(windows), "output_padding": extra[0]}
        return call.add(build(call, ops.ConvTranspose, **fields, **single), x, **stored)
    shape = (x.shape[0], fields["out"], *_grow(windows, space, extra))
    kind = TransposedConvolution
    return call.foreign(kind, [x], shape, stored=stored, weight=kernel.shape, **fields, **windows.fields())


def pool(function: str) -> NodeRule:
    def rule(call: NodeCall) -> Operand:
        x = call.straighten(call.value())
        kernel = tuple(call.ints("kernel_shape"))
        if not kernel or len(kernel) != len(x.shape) - 2 or min(kernel) < 1:
            call.fail(f"a window of {_text(kernel)} does not fit {_text(x.shape)}")
        call.keep_samples(x)
        windows, ceil = _read_windows(call, kernel, x.shape[2:]), call.attribute("ceil_mode", 0) == 1
        counted = call.attribute("count_include_pad", 0) == 1 or not any((*windows.begins, *windows.ends))
        kind = {"max": ops.MaxPool, "average": ops.AvgPool if counted else None}.get(function)
        half = 0 <= 2 * windows.begins[0] <= kernel[0]
        if kind and windows.same_everywhere and windows.dilations[0] == 1 and half and call.is_map(x):
            single = {name: number for name, number in _single(windows).items() if name != "dilation"}
            return call.add(build(call, kind, ceil=ceil, **single), x)
        shape = (*x.shape[:2], *_slide(windows, x.shape[2:], ceil=ceil))
        padded = function == "average" and any((*windows.begins, *windows.ends))
        details = call.tell("p", *(["count_include_pad"] if padded else []))
        return call.foreign(Pool, [x], shape, function=function, details=details, **windows.fields())

    return rule


def pool_globally(op: ops.GlobalAvgPool | ops.GlobalMaxPool) -> NodeRule:
    def rule(call: NodeCall) -> Operand:
        x = call.straighten(call.value())
        if call.is_map(x):
            return call.add(op, x)
        call.keep_samples(x)
        space = x.shape[2:]
        ones = (1,) * len(space)
        windows = Windows(space, ones, ones, (0,) * len(space), (0,) * len(space))
        function = "max" if isinstance(op, ops.GlobalMaxPool) else "average"
        return call.foreign(Pool, [x], (*x.shape[:2], *ones), function=function, **windows.fields())

    return rule


def _read_windows(call: NodeCall, kernel: Sequence[int], space: Sequence[int]) -> Windows:
    rank = len(kernel)
    written = call.ints("kernel_shape")
    strides, dilations = (_read(call, name, rank, 1, least=1) for name in ("strides", "dilations"))
    if (written and tuple(written) != tuple(kernel)) or len(space) != rank or min(kernel) < 1:
        call.fail(f"a window of {_text(written or kernel)} does not fit {_text(kernel)} over {_text(space)}")
    pads = _read(call, "pads", 2 * rank, 0, least=-MAX_WHOLE)
    windows = Windows(tuple(kernel), strides, dilations, pads[:rank], pads[rank:])
    auto = call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        missing = [
            max(0, (-(-size // stride) - 1) * stride + reach - size)
            for size, stride, reach in zip(space, strides, windows.reach, strict=True)
        ]
        return _pad(windows, missing, more_first=auto == "SAME_LOWER")
    return _pad(windows, [0] * rank) if auto == "VALID" else windows


def _read_transposed(call: NodeCall, kernel: Sequence[int], space: Sequence[int]) -> tuple[Windows, Dims]:
    """The windows of a transposed convolution, and what is added after the end."""
    windows = _read_windows(call, kernel, space)
    extra = _read(call, "output_padding", len(kernel), 0, least=0)
    wanted, auto = call.ints("output_shape")[-len(kernel) :], call.attribute("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER") and not wanted:
        wanted = [size * stride for size, stride in zip(space, windows.strides, strict=True)]
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


def _pad(windows: Windows, missing: Sequence[int], *, more_first: bool = False) -> Windows:
    """Give windows so much padding along each axis; an odd position goes to the end, or to the beginning."""
    begins = tuple((size + 1) // 2 if more_first else size // 2 for size in missing)
    ends = tuple(size - begin for size, begin in zip(missing, begins, strict=True))
    return Windows(windows.kernel, windows.strides, windows.dilations, begins, ends)


def _slide(windows: Windows, space: Sequence[int], *, ceil: bool = False) -> Dims:
    """Count the positions along each axis; with `ceil` a last window may hang over the end, but not start in the
    padding."""
    counts = []
    for size, stride, reach, begin, end in zip(
        space, windows.strides, windows.reach, windows.begins, windows.ends, strict=True
    ):
        span = size + begin + end - reach
        count = -(-span // stride) + 1 if ceil else span // stride + 1
        counts.append(count - 1 if ceil and (count - 1) * stride >= size + begin else count)
    return tuple(counts)


def _grow(windows: Windows, space: Sequence[int], extra: Sequence[int]) -> Dims:
    """Count the positions along each axis behind a transposed convolution."""
    rows = zip(space, windows.strides, windows.reach, extra, windows.begins, windows.ends, strict=True)
    return tuple((size - 1) * stride + reach + more - begin - end for size, stride, reach, more, begin, end in rows)


def _single(windows: Windows) -> dict[str, int]:
    """The fields of an operation of the language, whose window is the same along all axes."""
    return {
        "kernel": windows.kernel[0],
        "stride": windows.strides[0],
        "padding": windows.begins[0],
        "dilation": windows.dilations[0],
    }


def _read_kernel(call: NodeCall) -> tuple[Constant, dict[str, Constant]]:
    """The kernel, and it with the bias, if there is one, as weights."""
    kernel = call.stored(1)
    return kernel, {"weight": kernel} | ({"bias": call.stored(2)} if call.operand(2) is not None else {})


def _text(extents: Sequence[int]) -> str:
    return write_shape(extents, "nothing")


def fused_conv(call: NodeCall) -> Operand:
    """Add a convolution and the activation that an optimizer put into it."""
    after = call.attribute("activation", "")
    if call.operand(3) is not None or (after and after not in ACTIVATIONS):
        raise UnknownOpError
    found = conv(call)
    assert isinstance(found, FileValue)
    numbers = call.attribute("activation_params", [0.0][:0])
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
    "MaxPool": pool("max"),
    "AveragePool": pool("average"),
    "LpPool": pool("norm"),
    "GlobalAveragePool": pool_globally(ops.GlobalAvgPool()),
    "GlobalMaxPool": pool_globally(ops.GlobalMaxPool()),
}
