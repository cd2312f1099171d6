"""Small transformers as graphs: blocks of attention and two 1×1 convolutions, each behind a norm over channels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from archspec.errors import Place
from archspec.ops import (
    Add,
    Attention,
    Conv,
    EnterWindows,
    Gelu,
    Input,
    LayerNorm,
    LeaveWindows,
    MaxPool,
    Op,
    Roll,
    Shape,
    Shift,
)
from compiler.graph import Graph, Node, NodeSource

SOURCE = NodeSource(Place("test.yaml"))
NORM = LayerNorm(over="channels", eps=1e-6)


class TransformerBuilder:
    """The nodes of a transformer, one after the other."""

    def __init__(self, *dims: int | str, **sizes: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.sizes = sizes
        shape = Shape(*(sizes[dim] if isinstance(dim, str) else dim for dim in dims))
        self.nodes["x"] = Node("x", Input(dims=dims), (), shape, SOURCE)

    def add(self, id: str, op: Op, *operands: str) -> str:
        shape = op.infer(*(self.nodes[operand].shape for operand in operands))
        self.nodes[id] = Node(id, op, operands, shape, SOURCE)
        return id

    def add_block(self, x: str, place: str, heads: int, shift: int = 0, **attention: Any) -> str:
        """Self-attention in a residual, and two layers for each position in another; its result."""
        channels = self.nodes[x].shape.channels
        normal = self.add(f"{place}.norm_0", NORM, x)
        if shift:
            normal = self.add(f"{place}.roll_0", Roll(shift=-shift), normal)
        projected = [self.add(f"{place}.{name}", Conv(out=channels, kernel=1), normal) for name in ("q", "k", "v")]
        attended = self.add(f"{place}.attention", Attention(heads=heads, shift=shift, **attention), *projected)
        if shift:
            attended = self.add(f"{place}.roll_1", Roll(shift=shift), attended)
        x = self.add(f"{place}.add_0", Add(), x, self.add(f"{place}.out", Conv(out=channels, kernel=1), attended))
        wide = self.add(f"{place}.conv_0", Conv(out=2 * channels, kernel=1), self.add(f"{place}.norm_1", NORM, x))
        narrow = self.add(f"{place}.conv_1", Conv(out=channels, kernel=1), self.add(f"{place}.gelu", Gelu(), wide))
        return self.add(f"{place}.add_1", Add(), x, narrow)

    def finish(self, x: str) -> Graph:
        return Graph("transformer", self.nodes, {"y": self.add("norm", NORM, x)}, self.sizes)


def build_vit(layers: int = 2, heads: int = 4, **attention: Any) -> Graph:
    """A row of 17 tokens of 32 channels."""
    builder, x = TransformerBuilder(32, 17), "x"
    for layer in range(layers):
        x = builder.add_block(x, f"block{layer}", heads, **attention)
    return builder.finish(x)


def build_swin(*space: int | str, **sizes: int) -> Graph:
    """Maps of 32 channels, windows of 4 by 4, every other block shifted by 2."""
    builder, x = TransformerBuilder(32, *(space or (8, 8)), **sizes), "x"
    for layer in range(2):
        x = builder.add_block(x, f"block{layer}", 4, shift=2 * layer, window=4, bias="relative")
    return builder.finish(x)


def build_windows(*space: int | str, what: str = "", grid: bool = False, **sizes: int) -> Graph:
    """Maps of 16 channels, with attention in windows of 4 by 3 that are padded and shifted, and two residual sums.
    `what` stands between the way out of the windows and the first of them, or is a cosine."""
    shift = 0 if grid else (2, 1)
    builder = TransformerBuilder(16, *space, **sizes)
    normal = builder.add("normal", NORM, "x")
    enter = builder.add("enter", EnterWindows(size=(4, 3), shift=shift), normal)
    projected = [builder.add(name, Conv(out=16, kernel=1), enter) for name in ("q", "k", "v")]
    similarity: Any = "cosine" if what == "cosine" else "dot"
    op = Attention(heads=2, window=(4, 3), shift=shift, grid=grid, bias="relative", similarity=similarity)
    out = builder.add("out", Conv(out=16, kernel=1), builder.add("attention", op, *projected))
    left = builder.add("leave", LeaveWindows(size=(4, 3), shift=shift), out, normal)
    if what == "pool":
        left = builder.add("pool", MaxPool(kernel=3, stride=1, padding=1), left)
    if what == "places":
        left = builder.add("places", Shift(trainable=True, per="position"), left)
    added = builder.add("sum", Add(), "x", left)
    again = builder.add("again", Add(), added, builder.add("normal_1", NORM, added))
    graph = builder.finish(again)
    return replace(graph, outputs={**graph.outputs, "left": left}) if what == "output" else graph
