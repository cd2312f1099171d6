"""Operands of attention, laid out by window and head."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from archspec.ops import Attention, Shape
from archspec.ops.fields import along
from compiler.onnx_target.emitter import Emitter, OnnxValue
from compiler.onnx_target.rules.window_places import find_places

BATCH, HEADS, WIDTH, PLACES = "batch", "heads", "width", "places"
"""The names of axes: the samples, the heads, the channels of a head, and all positions where there is no window."""


class HeadLayout:
    """One operand, a map in planes (N, C, *S) or in rows (N, *S, C), as it is laid out by head: (N, *windows, heads,
    places in a window, channels of a head); without a window, and where windows are samples, (N, heads, places,
    channels of a head). `as_map` says what the windows are of, not how a value is laid out."""

    def __init__(self, op: Attention, emit: Emitter, x: OnnxValue, place: int, *, as_map: bool = False) -> None:
        id = emit.node.inputs[place]
        self.place = place
        self.op, self.emit, self.x, self.tag = op, emit, x, ("query", "key", "value")[place]
        self.shape, self.space = emit.model.graph[id].shape, emit.model.shapes[id][2:]
        self.width = self.shape.channels // op.heads
        self.sizes = () if op.window is None else along(op.window, self.shape, "window")
        if emit.windows and not as_map:  # each is a sample, a row of places
            self.shape, self.space, self.sizes = Shape(self.shape.channels, prod(self.sizes)), [prod(self.sizes)], ()
        self.rank = len(self.sizes)

    def by_position(self) -> OnnxValue:
        """The operand with a row for each place."""
        return self._lay("rows", [*self._inside, WIDTH], [-1, self.width])

    def by_channel(self) -> OnnxValue:
        """The operand with a column for each place. Windows in rows are laid out by place first: to move whole rows is
        faster, and ONNX Runtime multiplies by what is transposed then as it is."""
        if self.sizes and self.emit.rows:
            last = 2 + self.rank
            return self.emit.op("Transpose", [self.by_position()], perm=[*range(last), last + 1, last])
        return self._lay("columns", [WIDTH, *self._inside], [self.width, -1])

    def in_one_row(self) -> OnnxValue:
        """The operand in rows, its axes of space as one."""
        return self._reshape("line", self.x, [0, -1, self.shape.channels]) if self.shape.rank > 1 else self.x

    def join(self, means: OnnxValue, query: HeadLayout) -> OnnxValue:
        """Lay out what has a row of these channels for each place as a map of the query's extents."""
        if self.sizes:
            means = self._reshape("places", means, [*self._kept, *self.sizes, self.width])
        laid = self._transpose(means, [*self._front, *self._inside, WIDTH], self._written)
        return query.restore(laid, self.shape.channels)

    def restore(self, x: OnnxValue, channels: int) -> OnnxValue:
        """Give a value the extents of this operand's map, and so many channels."""
        extents: list[int | OnnxValue] = [-1 if isinstance(extent, str) else extent for extent in self.space]
        if len(extents) == 1:
            extents = [0 if self.emit.rows and not self.sizes else -1]
        elif extents.count(-1) > 1:
            extents = [self.extents()]
        return self._reshape("map", x, self.emit.lay_out([0], [channels], extents))

    def count_windows(self) -> list[int] | None:
        """The number of windows along each axis; None where some extent is not fixed."""
        if any(isinstance(extent, str) for extent in self.space):
            return None
        return [extent // size for extent, size in zip(self.shape.space, self.sizes, strict=True)]

    def compute_windows(self, axis: int) -> OnnxValue:
        """The number of windows along an axis, as it is when the model runs."""
        if region := self.emit.windows:
            return find_places(region, self.emit).counts[axis].write(f"count_{axis}")
        emit, first = self.emit, self.emit.axis(1 + axis)

        def compute() -> OnnxValue:
            size = emit.constant(f"size_{axis}", [self.sizes[axis]], np.int64)
            return emit.op("Div", [emit.op("Shape", [self.x], start=first, end=first + 1), size])

        return emit.once(f"windows of {self.sizes[axis]} in {self.space[axis]}", compute)

    def extents(self) -> OnnxValue:
        """The extents of space, as they are when the model runs."""
        return self.emit.once(f"{self.space}", lambda: self.emit.op("Shape", [self.x], **self.emit.space(self.place)))

    @property
    def _inside(self) -> list[str]:
        return [f"place {axis}" for axis in range(self.rank)] or [PLACES]

    @property
    def _front(self) -> list[str]:
        return [BATCH, *(f"window {axis}" for axis in range(self.rank)), HEADS]

    @property
    def _kept(self) -> list[int]:
        """The front axes in a change of shape that keeps them."""
        return [0] * len(self._front)

    @property
    def _written(self) -> list[str]:
        """The axes of the map, cut into windows and heads, in the order in which it is written. In a grid a window's
        places are far apart, and the windows lie beside each other."""
        pairs = zip(self._front[1:-1], self._inside, strict=True) if self.sizes else [(PLACES,)]
        space = [name for pair in pairs for name in pair[:: -1 if self.op.grid else 1]]
        return self.emit.lay_out([BATCH], [HEADS, WIDTH], space)

    def _lay(self, tag: str, last: Sequence[str], ends: Sequence[int]) -> OnnxValue:
        """Bring batch, windows and heads to the front, before these axes; the places in a window become one axis."""
        laid = self._transpose(self._cut(), self._written, [*self._front, *last])
        return self._reshape(tag, laid, [*self._kept, *ends]) if self.sizes else laid

    def _cut(self) -> OnnxValue:
        """The map with its channels cut into heads, and each axis into windows and the places in them."""
        parts: dict[str, int | OnnxValue] = {BATCH: 0, HEADS: self.op.heads, WIDTH: self.width}
        parts[PLACES] = 0 if self.emit.rows and len(self.space) == 1 else -1
        if self.sizes:
            counts: Sequence[int | OnnxValue] | None = self.count_windows()
            counts = counts or [self.compute_windows(axis) for axis in range(self.rank)]
            parts |= dict(zip(self._front[1:-1], counts, strict=True)) | dict(
                zip(self._inside, self.sizes, strict=True)
            )
        return self._reshape("heads", self.x, [parts[name] for name in self._written])

    def _transpose(self, x: OnnxValue, names: Sequence[str], wanted: Sequence[str]) -> OnnxValue:
        perm = [names.index(name) for name in wanted]
        return x if perm == sorted(perm) else self.emit.op("Transpose", [x], perm=perm)

    def _reshape(self, tag: str, x: OnnxValue, extents: Sequence[int | OnnxValue]) -> OnnxValue:
        """Give a value these extents, some of which may be computed."""
        name = f"{self.tag}_{tag}"
        if all(isinstance(extent, int) for extent in extents):
            return self.emit.op("Reshape", [x, self.emit.constant(name, extents, np.int64)])
        return self.emit.op("Reshape", [x, self.emit.once(self._tell(extents), lambda: self._join(name, extents))])

    def _join(self, name: str, extents: Sequence[int | OnnxValue]) -> OnnxValue:
        parts: list[OnnxValue] = []
        for number, extent in enumerate(extents):
            if isinstance(extent, int):
                extent = self.emit.constant(f"{name}_{number}", [extent], np.int64)
            parts.append(extent)
        return self.emit.op("Concat", parts, axis=0)

    def _tell(self, extents: Sequence[int | OnnxValue]) -> str:
        return ", ".join(str(extent) if isinstance(extent, int) else extent.name for extent in extents)
