"""The convolution along the channels, by which efficient channel attention lets neighbours decide of each other."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from archspec.ops.base import Family, Layer
from archspec.ops.fields import Positive
from archspec.ops.signal.moments import Gradient, Moments
from archspec.ops.values import Casting, OpError, Saved, Shape, Weight, Weights
from archspec.ops.window import count_pairs


class ChannelConv(Layer):
    """Convolution along the channels of a single position, without bias: each becomes a sum of its neighbours and
    itself, with zeros beyond both ends (ECA, Wang et al., 2020)."""

    family: ClassVar[Family] = "kernel"
    main: ClassVar[str | None] = "kernel"
    has_kernel: ClassVar[bool] = True
    odd: ClassVar[bool] = True

    kernel: Positive = Field(3, description="channels under the window, an odd number")

    def infer(self, x: Shape) -> Shape:
        if any(extent != 1 for extent in x.space):
            raise OpError(f"channel_conv needs a single position, found {x}; put `global_avg_pool` before it")
        if self.kernel % 2 == 0:
            raise OpError(f"channel_conv needs an odd kernel, found {self.kernel}", "kernel")
        return x

    def weights(self, x: Shape) -> Weights:
        return {"weight": Weight((1, 1, self.kernel), "he", fan_in=self.kernel, fan_out=self.kernel)}

    def macs(self, x: Shape) -> int:
        return x.channels * self.kernel

    def casting(self, *xs: Shape) -> Casting:
        return "narrow"

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        return Saved((0,), kernels=self.kernel)

    def moments(self, x: Moments) -> Moments:
        """The moments of sums over as many channels as lie under the window on average."""
        gain = self._gain(x.shape)
        return x.mixed().times(0.0, gain, gain, doubts=x.doubts | {"border", "narrow"}, normal=False, hollow=False)

    def gradients(self, gradient: Gradient, x: Moments) -> tuple[Gradient, ...]:
        return (gradient.times(self._gain(x.shape), doubts=gradient.doubts | {"border", "narrow"}),)

    def _gain(self, x: Shape) -> float:
        """The variance of a weight, for each of the channels that the window finds on average."""
        pairs = count_pairs(x.channels, self.kernel // 2)
        return self.weights(x)["weight"].deviation ** 2 * pairs / x.channels
