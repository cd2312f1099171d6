"""Random networks of maps, and what each position of them depends on by the gradients of plain torch.

Weights are positive and in double precision, and nothing has a maximum or a corner, so that a gradient is zero exactly
where no tap meets a value.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from archspec.errors import Place
from archspec.ops import (
    Add,
    AvgPool,
    Concat,
    Conv,
    ConvTranspose,
    Crop,
    GlobalAvgPool,
    GroupNorm,
    Input,
    Mul,
    Op,
    OpError,
    PadSpace,
    Resize,
    Shape,
    Upsample,
)
from archspec.ops.fields import along
from archspec.ops.sampling import Corners, Mode
from compiler.analysis.field.receptive_field import measure_receptive_field
from compiler.analysis.field.strands import MAX_REACH
from compiler.graph import Graph, Node, NodeSource
from tests.differential.harness import Disagreement, Outcome

EXTENTS = {1: (1, 40), 2: (1, 14)}
MOST = {1: 160, 2: 40}
"""Extents beyond which a map is not enlarged any more."""
CHANNELS = 2
WINDOWED = (Conv, ConvTranspose, AvgPool)


def write_network(random: Random) -> Graph:
    """One or two inputs, and up to nine operations on maps; the last value is the output."""
    rank = random.choice((1, 1, 2))
    low, high = EXTENTS[rank]
    space = [random.randint(low, high) for _ in range(rank)]
    space = space if random.random() < 0.5 else [max(space)] * rank
    writer = NetworkWriter(random, {})
    for name in ("x", "z")[: 1 + (random.random() < 0.15)]:
        shape = Shape(CHANNELS, *space)
        writer.nodes[name] = Node(name, Input(dims=tuple(shape)), (), shape, SOURCE)
    wanted = random.randint(3, 10)
    for _ in range(4 * wanted):  # some do not fit
        if len(writer.nodes) <= wanted:
            writer.write_one()
    return Graph("random", writer.nodes, {"y": next(reversed(writer.nodes))})


SOURCE = NodeSource(Place("random"))


@dataclass
class NetworkWriter:
    random: Random
    nodes: dict[str, Node]

    def append(self, op: Op, *operands: Node) -> Node | None:
        try:
            shape = op.infer(*(node.shape for node in operands))
        except OpError:
            return None
        if max(shape.space) > MOST[shape.rank]:
            return None
        node = Node(f"n{len(self.nodes)}", op, tuple(node.id for node in operands), shape, SOURCE)
        self.nodes[node.id] = node
        return node

    def choose(self) -> Node:
        """Mostly the last value, and sometimes an earlier one."""
        nodes = list(self.nodes.values())
        return nodes[-1] if self.random.random() < 0.7 else self.random.choice(nodes)

    def write_one(self) -> None:
        x, chance = self.choose(), self.random.random()
        if chance < 0.62:
            self.append(self.draw_layer(), x)
        elif chance < 0.8:
            self.merge(x)
        elif chance < 0.92:
            self.gate(x)
        else:
            self.append(GroupNorm(groups=1), x)

    def merge(self, x: Node) -> None:
        """With another value, brought to its extents where they differ."""
        others = [node for node in self.nodes.values() if node.shape.rank == x.shape.rank]
        other = self.random.choice(others)
        if other.shape.space != x.shape.space:
            fit = self.random.choice((Crop(), PadSpace(), Resize(mode="linear")))
            a, b = self.append(fit, x, other), self.append(fit, other, x)
            if a is None or b is None:
                return
            x, other = a, b
        same = x.shape == other.shape
        self.append(self.random.choice((Add(), Concat())) if same else Concat(), x, other)

    def gate(self, x: Node) -> None:
        pooled = self.append(GlobalAvgPool(), x)
        if pooled:
            self.append(Mul(), self.random.choice([node for node in self.nodes.values() if fits(node, x)]), pooled)

    def draw_layer(self) -> Op:
        draw = self.random.choice
        wide = self.random.random() < 0.5
        dilation = draw((2, 3, 6, 12, 20)) if wide else draw((1, 1, 2))
        kernel, stride = draw((1, 2, 3, 3, 5)), draw((1, 1, 2, 3))
        match self.random.randrange(6):
            case 0 | 1 | 2:
                padding = "same" if kernel % 2 and self.random.random() < 0.6 else self.random.randint(0, 6)
                return Conv(out=CHANNELS, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
            case 3:
                padding, more = self.random.randint(0, 3), self.random.randint(0, max(stride, dilation) - 1)
                fields: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
                return ConvTranspose(out=CHANNELS, output_padding=more, **fields)
            case 4:
                return AvgPool(kernel=kernel, stride=stride, padding=self.random.randint(0, kernel // 2))
            case _:
                mode: Mode = draw(("nearest", "linear"))
                corners: Corners = draw(("half", "aligned")) if mode == "linear" else "half"
                return Upsample(scale=draw((1, 2, 3, 1.5, 0.5)), mode=mode, corners=corners)


def fits(node: Node, x: Node) -> bool:
    return node.shape.rank == x.shape.rank and node.shape.channels == x.shape.channels


# Plain torch

BIAS = torch.full((CHANNELS,), 0.3, dtype=torch.float64)
"""Else a gate would not be seen where the value that it multiplies is zero."""
CONV = {1: F.conv1d, 2: F.conv2d}
CONV_TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d}
AVG_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d}
LINEAR = {1: "linear", 2: "bilinear"}


def compute(graph: Graph, inputs: dict[str, Tensor], id: str) -> Tensor:
    """The value of a node."""
    values = dict(inputs)
    for node in graph:
        if node.id not in values:
            values[node.id] = apply(node.op, [values[operand] for operand in node.inputs])
            assert tuple(values[node.id].shape[1:]) == node.shape, node
        if node.id == id:
            break
    return values[id]


def apply(op: Op, xs: list[Tensor]) -> Tensor:
    """An operation, with kernels that are constant over channels and differ from tap to tap."""
    x, rank = xs[0], xs[0].dim() - 2
    match op:
        case Conv():
            (w,) = {*op.windows(Shape(*x.shape[1:]))}
            return CONV[rank](x, kernel(op.out, x.shape[1], w.kernel, rank), BIAS, w.stride, w.before, w.dilation)
        case ConvTranspose():
            (w,), (grown,) = {*op.windows(Shape(*x.shape[1:]))}, {*along(op.output_padding, Shape(*x.shape[1:]), "")}
            weight, p = kernel(x.shape[1], op.out, w.kernel, rank), w.before
            # Its own padding is cut off here, since torch refuses some that leave something.
            whole = CONV_TRANSPOSE[rank](x, weight, None, w.stride, 0, 0, 1, w.dilation)
            whole = F.pad(whole, (0, grown) * rank) + 0.3
            return cut(whole, [(p, extent - p) for extent in whole.shape[2:]])
        case AvgPool():
            (w,) = {*op.windows(Shape(*x.shape[1:]))}
            return AVG_POOL[rank](x, w.kernel, w.stride, w.before)
        case GlobalAvgPool():
            return x.mean(tuple(range(2, x.dim())), keepdim=True)
        case Upsample():
            if op.mode == "nearest":
                return F.interpolate(x, scale_factor=op.scale, mode="nearest")
            aligned = op.corners == "aligned"
            return F.interpolate(x, scale_factor=op.scale, mode=LINEAR[rank], align_corners=aligned)
        case Resize():
            return F.interpolate(x, xs[1].shape[2:], mode=LINEAR[rank], align_corners=False)
        case GroupNorm():  # what a statistic of the map lets through, without what may cancel
            return x * x.mean(tuple(range(1, x.dim())), keepdim=True)
        case Crop():
            ends = [(a, min(y.shape[i + 2] for y in xs)) for i, a in enumerate(x.shape[2:])]
            return cut(x, [((a - size) // 2, (a - size) // 2 + size) for a, size in ends])
        case PadSpace():
            missing = [max(y.shape[i + 2] for y in xs) - a for i, a in enumerate(x.shape[2:])]
            return F.pad(x, [n for m in reversed(missing) for n in (m // 2, m - m // 2)], value=0.3)
        case Add():
            return xs[0] + xs[1]
        case Mul():
            return xs[0] * xs[1]
        case Concat():
            return torch.cat(xs, 1)
    raise AssertionError(op)


def cut(x: Tensor, ends: Iterable[tuple[int, int]]) -> Tensor:
    """What lies between two positions along each of the last axes."""
    for axis, (start, stop) in enumerate(ends, 2):
        x = x.narrow(axis, start, stop - start)
    return x


def kernel(rows: int, columns: int, extent: int, rank: int) -> Tensor:
    weight = torch.ones(rows, columns, *[extent] * rank, dtype=torch.float64)
    taps = torch.linspace(0.5, 0.8, extent**rank, dtype=torch.float64).view(*[extent] * rank)
    return weight * taps / extent**rank


def depend(graph: Graph, id: str, position: tuple[int, ...]) -> dict[str, Tensor]:
    """By input which of its positions one position of a node depends on."""
    inputs = {
        name: torch.rand((1, *node.shape), dtype=torch.float64).add(0.5).requires_grad_()
        for name, node in graph.inputs.items()
    }
    value = compute(graph, inputs, id)
    if not value.requires_grad:
        return {}
    result = cut(value, [(at, at + 1) for at in position]).sum()
    slopes: tuple[Any, ...] = torch.autograd.grad(result, [*inputs.values()], allow_unused=True)
    return {name: slope[0].abs().amax(0) != 0 for name, slope in zip(inputs, slopes, strict=True) if slope is not None}


def hull(mask: Tensor) -> tuple[tuple[int, int], ...]:
    """Along each axis the first and last position that is seen; empty where none is."""
    return tuple((int(axis.min()), int(axis.max())) for axis in mask.nonzero().T) if mask.any() else ()


# What is compared


def compare_middle(graph: Graph, id: str) -> Iterator[str]:
    """What the middle position of the map before the output really sees."""
    graph = replace(graph, outputs={"y": id})
    for output in measure_receptive_field(graph).outputs["y"]:
        node = graph[output.field.node]
        middle = tuple((extent - 1) // 2 for extent in node.shape.space)
        mask = depend(graph, node.id, middle).get(output.field.input, torch.zeros(1, dtype=torch.bool))
        if output.marks:
            yield f"marked: {output.marks}"
        if output.clipped != hull(mask):
            yield f"{node.id} sees {output.clipped} of {output.field.input}, torch {hull(mask)}"
        if output.seen != int(mask.sum()):
            yield f"{node.id} sees {output.seen} positions of {output.field.input}, torch {int(mask.sum())}"


def compare_size(graph: Graph, longer: int) -> Iterator[str]:
    """What positions in the middle of a long map see is what they see of a map without ends."""
    inputs = {name: replace(n, shape=Shape(CHANNELS, longer)) for name, n in graph.inputs.items()}
    nodes: dict[str, Node] = {}
    for node in graph:
        shape = inputs[node.id].shape if node.id in inputs else node.op.infer(*(nodes[i].shape for i in node.inputs))
        nodes[node.id] = inputs.get(node.id) or replace(node, shape=shape)
    long = replace(graph, nodes=nodes)
    found, id = measure_receptive_field(long), long.outputs["y"]
    (view,) = found.views[id]
    turn = max((len(strand.runs) for strand in view.strands.values()), default=0)
    extent = long[id].shape.space[0]
    middle = extent // 2
    for input in {input for input, _ in view.strands}:
        sizes = []
        for place in range(middle, min(middle + min(turn, 24), extent)):
            seen = hull(depend(long, id, (place,)).get(input, torch.zeros(1, dtype=torch.bool)))
            lo, hi = view.at(input, place)
            if lo < 0 or longer <= hi < MAX_REACH:
                return  # the map is not long enough
            sizes.append(seen[0][1] - seen[0][0] + 1 if seen else 0)
            if (((lo, hi),) if lo <= hi else ()) != seen:
                yield f"without ends, {place} sees {lo}–{hi} of {input}, torch {seen}"
        (own,) = [field for field in found.of(id) if field.input == input]
        if len(view.strands) == 1 and turn <= 24 and own.local != (max(sizes),):
            yield f"without ends, size {own.local} of {input}, torch {max(sizes)}"


def is_endless(graph: Graph) -> bool:
    """Whether a longer input changes nothing but the length: nothing sees a whole map or is fitted to another's."""
    kept = (Input, *WINDOWED, Upsample, Add, Concat)
    plain = all(isinstance(node.op, kept) for node in graph)
    return plain and len(next(iter(graph.inputs.values())).shape) == 2


def examine(seed: int) -> Outcome:
    torch.manual_seed(seed)
    graph = write_network(Random(seed))
    found = [Disagreement("middle", text) for text in compare_middle(graph, graph.outputs["y"])]
    if is_endless(graph):
        with suppress(OpError):  # what grows at different rates is merged at one length alone
            found += [Disagreement("size", text) for text in compare_size(graph, 700)]
    return Outcome(found, Counter({node.op.kind for node in graph}))
