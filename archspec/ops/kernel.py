"""The class of linear maps with random weights."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import prod, sqrt
from typing import TYPE_CHECKING, ClassVar

from archspec.ops.base import Family, Layer
from archspec.ops.fields import Flag, Gain, Positive
from archspec.ops.signal.mixing import RandomKernel
from archspec.ops.values import Casting, Init, Saved, Shape, Weight, Weights


class Kernel(Layer):
    """A linear map; its kernel starts as `init` and `gain` say; `weight_norm` stores direction and lengths apart."""

    family: ClassVar[Family] = "kernel"
    main: ClassVar[str | None] = "out"
    has_kernel: ClassVar[bool] = True

    if TYPE_CHECKING:  # each of them declares these among its other fields, in an order of its own
        out: Positive
        bias: Flag
        init: Init
        gain: Gain
        weight_norm: Flag

    @property
    def stores_kernel(self) -> bool:
        """True if the kernel is stored as it is, and not made of what is."""
        return not self.weight_norm

    def sums_all_taps(self, x: Shape) -> bool:
        """True if every number of the result is a sum over all taps of the kernel, of which none meets the padding."""
        return True

    def casting(self, *xs: Shape) -> Casting:
        return "narrow"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return self._save(xs[0])

    def _save(self, x: Shape, *, kernel_needed: bool = True) -> Saved:
        """The input for the kernel's gradient and the kernel for the input's, which a convolution keeps in any case.
        Under weight normalization the kernel is made anew, and the direction and lengths of v are kept beside it; where
        it is standardized, means and deviations."""
        kernel = self.weights(x)["weight"].numel
        read = kernel if kernel_needed else 0
        if not self.stores_kernel:
            return Saved((0,), values=read, full=self._count_made(kernel))
        return Saved((0,), kernels=read)

    def _count_made(self, kernel: int) -> int:
        """Count the numbers that making a kernel of so many keeps."""
        return kernel + self.out

    def _store(self, shape: tuple[int, ...], fan_in: Fraction | int, fan_out: int) -> Weights:
        """The kernel of this shape, its lengths under weight normalization, and the bias."""
        kernel = Weight(shape, self.init, fan_in=fan_in, fan_out=fan_out, gain=self.gain)
        weights = {"weight": kernel}
        if self.weight_norm:
            # Zeros have no direction: a kernel that starts at zero has length 0 and a direction as `he` draws it.
            weights["weight"] = kernel if kernel.deviation else replace(kernel, init="he", gain=1.0)
            weights["length"] = Weight((self.out,), kernel.deviation * sqrt(prod(shape) / self.out))
        if self.bias:
            # torch's own rule draws the bias too; with every other rule it starts at zero.
            weights["bias"] = Weight((self.out,), "torch" if self.init == "torch" else 0.0, fan_in=fan_in)
        return weights

    def draw(self, x: Shape, groups: int = 1) -> RandomKernel:
        """The distribution of the first values of its weights, for an operand of this shape."""
        return _draw(self, x, groups)


@lru_cache(maxsize=1024)
def _draw(op: Kernel, x: Shape, groups: int) -> RandomKernel:
    """Describe a random kernel: under weight normalization its direction is random and its length given."""
    weights = op.weights(x)
    kernel, bias = weights["weight"], weights.get("bias")
    variance = kernel.deviation**2
    if op.weight_norm:
        variance = float(weights["length"].init) ** 2 * op.out / kernel.numel
    bias_variance = bias.deviation**2 if bias else 0.0
    return RandomKernel(op.out, groups, variance, bias_variance, float(kernel.fan_in), float(kernel.fan_out))
