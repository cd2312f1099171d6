"""Operations that change the extents of a value, and have no weights: pooling, upsampling, reshaping, cropping."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.ops.base import Flag, Layer, NonNegative, Op, OpError, Positive, Shape, Window, in_words


class Pool(Layer):
    """A sliding window over each channel; `stride` is the kernel unless given; `ceil` keeps a last partial window."""

    main: ClassVar[str | None] = "kernel"

    kernel: Positive = 2
    stride: Positive | None = None
    padding: NonNegative = 0
    ceil: Flag = False

    @property
    def window(self) -> Window:
        return Window(self.kernel, self.stride or self.kernel, self.padding)

    def infer(self, x: Shape) -> Shape:
        if not 1 <= x.rank <= 3:
            raise OpError(f"{self.kind} needs one to three spatial axes, found the shape {x}")
        if 2 * self.padding > self.kernel:
            raise OpError("padding should be at most half the kernel", "padding")
        space = [self.window.slide(size, ceil=self.ceil) for size in x.space]
        if min(space) < 1:
            raise OpError(f"a window of {self.kernel} does not fit into {x}", "kernel")
        return Shape(x.channels, *space)


class MaxPool(Pool):
    """The largest value in each window; padding never wins."""


class AvgPool(Pool):
    """The mean of each window; zeros of the padding count as values."""


class GlobalPool(Layer):
    """One value for each channel; the spatial axes stay, with extent 1."""

    def infer(self, x: Shape) -> Shape:
        if x.rank < 1:
            raise OpError(f"{self.kind} needs spatial axes, found the vector {x}")
        return Shape(x.channels, *[1] * x.rank)


class GlobalAvgPool(GlobalPool):
    """The mean of each channel over all positions."""


class GlobalMaxPool(GlobalPool):
    """The largest value of each channel over all positions."""


class Upsample(Layer):
    """Enlarges each spatial axis `scale` times, by repeating values or linearly (half-pixel centres)."""

    main: ClassVar[str | None] = "scale"

    scale: Positive = 2
    mode: Literal["nearest", "linear"] = "nearest"

    def infer(self, x: Shape) -> Shape:
        if not 1 <= x.rank <= 3:
            raise OpError(f"upsample needs one to three spatial axes, found the shape {x}")
        return Shape(x.channels, *(size * self.scale for size in x.space))


class Flatten(Layer):
    """All extents in one: (C, *S) -> (C · ΠS)."""

    def infer(self, x: Shape) -> Shape:
        return Shape(x.elements)


class PadChannels(Layer):
    """Appends channels of zeros until there are `out`: the free shortcut (option A) of He et al., 2015."""

    main: ClassVar[str | None] = "out"

    out: Positive

    def infer(self, x: Shape) -> Shape:
        if self.out < x.channels:
            raise OpError(f"cannot pad {x.channels} channels to {self.out}", "out")
        return Shape(self.out, *x.space)


class Crop(Op):
    """Cuts the centre out of its first operand: along each axis the smallest extent among all operands."""

    arity: ClassVar[int | None] = None
    carriers: ClassVar[int | None] = 1

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot crop {in_words(xs)} to one size: they differ in axes")
        cut = Shape(xs[0].channels, *map(min, zip(*(x.space for x in xs), strict=True)))
        centred = all((whole - part) % 2 == 0 for whole, part in zip(xs[0].space, cut.space, strict=True))
        if not centred:
            raise OpError(f"cannot cut the centre, {cut}, out of {xs[0]}: an odd number of pixels would be left over")
        return cut


class PadSpace(Op):
    """Pads its first operand with zeros to the largest extents among all operands, as equally on both sides as can be;
    an odd position goes to the end."""

    arity: ClassVar[int | None] = None
    carriers: ClassVar[int | None] = 1

    def infer(self, *xs: Shape) -> Shape:
        if len({x.rank for x in xs}) > 1:
            raise OpError(f"cannot pad {in_words(xs)} to one size: they differ in axes")
        return Shape(xs[0].channels, *map(max, zip(*(x.space for x in xs), strict=True)))
