"""Attention: means of values, weighted by how well queries and keys agree."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, prod, sqrt
from typing import ClassVar, Literal

from pydantic import Field

from archspec.ops.base import Family, Op
from archspec.ops.bounds import Bounds
from archspec.ops.fields import Flag, NonNegativePerAxis, Number, Positive, PositivePerAxis, along, at_axis
from archspec.ops.signal.axis import Axis
from archspec.ops.signal.gaussian import ChannelMoments
from archspec.ops.signal.moments import PRODUCT, Flow, Gradient, Moments, join_doubts
from archspec.ops.signal.shares import Shares, share
from archspec.ops.values import Casting, Layout, OpError, Saved, Shape, Weight, Weights
from archspec.ops.window import Positions, Span, run

MASKED = -100.0
"""The term of a score between positions that a shift has brought together (Liu et al., 2021)."""

MAX_LOGIT_SCALE = log(100.0)
"""The largest logarithm of the learned factor of a cosine (Liu et al., 2022)."""

COSINE_FACTOR = 10.0
"""The learned factor of a cosine at initialization (Liu et al., 2022)."""

TABLE_DEVIATION = 0.02
"""The deviation of the numbers of a relative bias at initialization: normal, as torchvision's are, which cuts them off
at 100 deviations."""

MAX_LENGTHS = 64
"""The largest number of lengths over which the law of causal attention takes its mean."""

HIDDEN = 512
"""The units of the network that computes a continuous bias (Liu et al., 2022)."""


class Attention(Op):
    """softmax(scale · query · key + bias) · value, for each head.

    (C, *S), (C, *T), (V, *T) -> (V, *S): each position of the query gets a mean of the values, weighted by the softmax
    over the key's positions; each head has its share of the channels (Vaswani et al., 2017). `similarity: cosine`
    multiplies the cosine by a learned number for each head, exp of it at most 100, instead of `scale`. `bias: relative`
    adds a learned number for each head and distance, and `continuous` computes it, 16 sigmoid of a small network of the
    distance's logarithm (Liu et al., 2021 and 2022). With a `window`, a position sees those of its window alone.
    """

    family: ClassVar[Family] = "merge"
    arity: ClassVar[int | None] = 3
    odd: ClassVar[bool] = True
    roles: ClassVar[tuple[str, ...]] = ("query", "key", "value")

    heads: Positive = Field(1, description="parts of the channels that attend apart")
    bias: Literal["none", "relative", "continuous"] = Field(
        "none", description="what is added to the scores by distance: nothing, a learned table, or a learned function"
    )
    causal: Flag = Field(False, description="hides from each position those behind it, row by row")
    scale: Number | None = Field(None, description="factor on the scores; 1 / √(channels of a head) unless given")
    similarity: Literal["dot", "cosine"] = Field(
        "dot", description="how queries and keys are compared: product, or cosine times a learned factor"
    )
    window: PositivePerAxis | None = Field(None, description="extent of a window along each axis; all unless given")
    shift: NonNegativePerAxis = Field(0, description="positions by which the map has been rolled before")
    grid: Flag = Field(False, description="makes windows of positions at equal distances instead of neighbours")

    def gated_by(self, shares: Sequence[bool]) -> frozenset[int]:
        """Query and key, of which its shares are made."""
        return frozenset({0, 1})

    def infer(self, query: Shape, key: Shape, value: Shape) -> Shape:
        self._check_operands(query, key, value)
        self._check_positions(query, key)
        if self.similarity == "cosine" and self.scale is not None:
            raise OpError("attention with similarity: cosine learns its scale; leave out `scale`", "scale")
        return Shape(value.channels, *query.space)

    def _check_operands(self, query: Shape, key: Shape, value: Shape) -> None:
        if not all(1 <= x.rank <= 3 for x in (query, key)):
            raise OpError(f"attention needs one to three spatial axes, found the query {query} and the key {key}")
        if query.channels != key.channels:
            message = f"the query, {query}, has {query.channels} channels and the key, {key}, {key.channels}"
            raise OpError(f"attention compares channels: {message}; give both as many", "key")
        if key.space != value.space:
            raise OpError(f"attention takes a value for each key: found the key {key} and the value {value}", "value")
        for x, name in ((query, "query"), (value, "value")):
            if x.channels % self.heads:
                message = f"heads: {self.heads} does not divide the {x.channels} channels of the {name}"
                raise OpError(f"{message}; give a divisor of {x.channels}", "heads")

    @property
    def compares_itself(self) -> str:
        """The field that needs the positions of query and key to be the same; nothing where none does."""
        if self.bias != "none":
            return f"bias: {self.bias}"
        return "a window" if self.window is not None else "causal: true" if self.causal else ""

    @property
    def compares_places(self) -> bool:
        return bool(self.compares_itself)

    def _check_positions(self, query: Shape, key: Shape) -> None:
        told = self.compares_itself
        if told and query.space != key.space:
            raise OpError(f"attention with {told} needs the same positions, found the query {query} and the key {key}")
        shifts = along(self.shift, query, "shift")
        if self.window is None:
            if self.grid or any(shifts):
                word = "grid" if self.grid else "shift"
                raise OpError(f"attention with {word} needs a `window`", word)
            return
        for axis, (size, extent) in enumerate(zip(along(self.window, query, "window"), query.space, strict=True)):
            if extent % size:
                message = f"a window of {size} does not divide the extent {extent} of {query}"
                raise OpError(f"{message}; `windows` pads a map to whole windows", "window")
            if shifts[axis] >= size:
                raise OpError(f"shift: {shifts[axis]} should be below the window, {size}", "shift")
        if self.grid and any(shifts):
            raise OpError("attention with grid takes no shift: its windows have no neighbours", "shift")
        if self.causal:
            raise OpError("attention with a window is not causal: its windows have no order", "causal")

    def seen(self, key: Shape) -> tuple[int, ...]:
        """The extents of the positions that a query sees: those of its window, or all."""
        return key.space if self.window is None else along(self.window, key, "window")

    def distances(self, query: Shape) -> tuple[int, ...]:
        """The number of distances along each axis, from -(n - 1) to n - 1."""
        return tuple(2 * size - 1 for size in self.seen(query))

    def fixed_axes(self, x: Shape) -> range:
        """The positions of a bias over the whole map, of which a file holds a number for each pair."""
        return range(1, x.rank + 1) if self.bias != "none" and self.window is None else range(0)

    def weights(self, query: Shape, *others: Shape) -> Weights:
        weights: Weights = {}
        if self.similarity == "cosine":
            weights["logit_scale"] = Weight((self.heads,), log(COSINE_FACTOR))
        if self.bias == "relative":
            table = prod(self.distances(query)), self.heads
            weights["table"] = Weight(table, "he", fan_in=2, gain=TABLE_DEVIATION)
        if self.bias == "continuous":
            weights["inner"] = Weight((HIDDEN, query.rank), "torch", fan_in=query.rank)
            weights["inner_bias"] = Weight((HIDDEN,), "torch", fan_in=query.rank)
            weights["outer"] = Weight((self.heads, HIDDEN), "torch", fan_in=HIDDEN)
        return weights

    def scores(self, query: Shape, key: Shape) -> int:
        """The number of pairs of positions that are compared, in all heads."""
        return self.heads * prod(query.space) * prod(self.seen(key))

    def products(self, query: Shape, key: Shape, value: Shape) -> int:
        return self.scores(query, key) * (query.channels + value.channels) // self.heads

    def macs(self, query: Shape, key: Shape, value: Shape) -> int:
        """Count those of the two linear layers that a continuous bias comes from, once for each distance."""
        if self.bias != "continuous":
            return 0
        return prod(self.distances(query)) * HIDDEN * (query.rank + self.heads)

    def elementwise(self, query: Shape, key: Shape, value: Shape) -> int:
        """Count for each score its scaling, its terms, and the three of its softmax; a cosine divides by two lengths,
        each with a square, a sum and a quotient for each number."""
        terms = 4 + (self.bias != "none") + (self.causal or self._shifts(query))
        lengths = 3 * (query.elements + key.elements) if self.similarity == "cosine" else 0
        return terms * self.scores(query, key) + lengths

    def _shifts(self, query: Shape) -> bool:
        """True if positions lie in one window that were no neighbours."""
        if self.window is None:
            return False
        rows = zip(along(self.shift, query, "shift"), self.seen(query), query.space, strict=True)
        return any(shift and extent > size for shift, size, extent in rows)

    def bound(self, query: Bounds, key: Bounds, value: Bounds) -> Bounds:
        """The bounds of the values, of which it takes means."""
        return value

    def reading_period(self, axis: int) -> int:
        return 1 if self.window is None or self.grid else at_axis(self.window, axis)

    def input_span(self, axis: int, span: Span, *xs: Shape) -> tuple[Positions | None, ...]:
        seen = self._see(axis, span, xs[0])
        return (run(span), seen, seen)

    def _see(self, axis: int, span: Span, query: Shape) -> Positions | None:
        """The positions that lie in a window with those of `span`; windows of a grid reach over the whole map."""
        if self.window is None or self.grid:
            return None
        size, (first, last) = at_axis(self.window, axis), span
        return run((first // size * size, last // size * size + size - 1))

    def casting(self, *xs: Shape) -> Casting:
        return "narrow"

    def lay(self, layouts: Sequence[Layout], *xs: Shape, batch: int) -> Layout:
        return Layout()

    def is_measured(self, *xs: Shape) -> bool:
        """False: alone it is as measured, but torch keeps fewer copies of operands that are one value, and more where
        its kernels lay them out anew."""
        return False

    def saved_for_backward(self, *xs: Shape, batch: int, needs: tuple[bool, ...]) -> Saved:
        """The operands, laid out by head, the result, and the logarithm of each sum of the softmax. Where a term is
        learned or values have channels of another number, torch computes and keeps the shares instead of the last two,
        all in four bytes; and of a table its places."""
        query, key, value = xs
        if self.bias == "none" and self.similarity == "dot" and query.channels == value.channels:
            laid, rows = sum(x.elements for x in xs), self.heads * prod(query.space)
            return Saved(values=batch * (laid + value.channels * prod(query.space)), full=batch * rows)
        learned = self.bias != "none"
        kept = (needs[1], needs[0], learned or needs[0] or needs[1])  # a product keeps the other factor
        laid = sum(x.elements for x, wanted in zip(xs, kept, strict=True) if wanted)
        places = prod(self.seen(key)) ** 2 if learned else 0
        return Saved(full=batch * (laid + self.scores(query, key)), indices=places)

    def moments(self, query: Moments, key: Moments, value: Moments) -> Moments:
        """The moments of means of independent values with the weights of a softmax of normal scores."""
        squares, value = self._share(query, key).squares, value.before_averaging()

        def law(x: ChannelMoments) -> ChannelMoments:
            return ChannelMoments(x.mean, x.common + squares * (x.second - x.common), x.common)

        every = (query, key, value)
        axes, least = tuple([Axis(axis.size) for axis in query.axes]), min(x.least for x in every)
        return value.each(law, axes=axes, doubts=join_doubts(every, PRODUCT), normal=False, least=least)

    def gradients(self, gradient: Gradient, query: Moments, key: Moments, value: Moments) -> tuple[Gradient, ...]:
        """The gradients: of a value Σ pᵢ gᵢ over the queries that see it; of a score p (g·v - Σ p g·v); of query and
        key the sums of these times what they were compared with."""
        shares, doubts = self._share(query, key), join_doubts((gradient, query, key, value), PRODUCT)
        score = shares.slopes * value.channels / self.heads * gradient.second * _spread(value)
        factor, seeing = self._factor(query, key) ** 2, query.positions / key.positions

        def lay(x: Moments, second: float) -> Gradient:
            axes = tuple([Axis(axis.size) for axis in x.axes])
            return Gradient(((x.channels, Flow(second, second)),), axes, doubts, gradient.narrow, gradient.edges)

        return (
            lay(query, factor * score * _spread(key)),
            lay(key, factor * seeing * score * query.whole.second),
            lay(value, seeing * shares.squares * gradient.second),
        )

    def _factor(self, query: Moments, key: Moments) -> float:
        """The factor on products of numbers at initialization. The lengths by which a cosine divides are taken as the
        same for all."""
        width = query.channels // self.heads
        if self.similarity == "cosine":
            lengths = width * sqrt(query.whole.second * key.whole.second)
            return COSINE_FACTOR / lengths if lengths else 0.0
        return self.scale if self.scale is not None else 1 / sqrt(width)

    def _share(self, query: Moments, key: Moments) -> Shares:
        """The shares that positions have of each other at initialization."""
        seen, width = prod(self.seen(key.shape)), query.channels // self.heads
        variance = self._factor(query, key) ** 2 * width * query.whole.second * _spread(key)
        variance += TABLE_DEVIATION**2 if self.bias == "relative" else 0.0
        if not self.causal:
            return share(seen, variance)
        count = min(seen, MAX_LENGTHS)
        lengths = [1 + seen * (2 * i + 1) // (2 * count) for i in range(count)]
        turns = [share(length, variance) for length in lengths]
        return Shares(*(sum(column) / len(turns) for column in zip(*turns, strict=True)))


def _spread(x: Moments) -> float:
    """The variance of values from position to position."""
    return max(0.0, x.whole.second - x.whole.common)
