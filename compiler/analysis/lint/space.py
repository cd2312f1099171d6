"""Rules about positions: pixels that no window reaches, merges that look aside, convolutions that see everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from math import gcd, prod
from typing import TypeAlias

from archspec.ops import Attention, Conv, OpError, Shape, Window
from archspec.ops.pooling import Pool
from archspec.ops.values import ONE
from archspec.wording import write_shape
from compiler.analysis.field.axis_readings import AxisReading
from compiler.analysis.field.fields import Misalignment
from compiler.analysis.lint.context import LintContext
from compiler.analysis.lint.finding import Hit, LintRule, at_each_place
from compiler.graph import Graph, Node

Sights: TypeAlias = tuple[tuple[Fraction, Fraction], ...]
"""The part of the input that a position sees along each axis, and how far apart neighbours look, in input positions."""

MAX_SHAPES = 50_000
"""The largest number of shapes that are inferred in search of sizes at which no pixel is lost."""
MAX_DISTANCE = 128
"""The largest distance from its value, in positions, to which a size is moved in that search."""


def find_lost_pixels(context: LintContext) -> Iterable[Hit]:
    graph = context.graph
    losing = [node for node in graph if _count_lost(node, graph.operands(node), node.shape)]
    remedy = _tell_whole_sizes(graph) if losing else ""

    def tell(group: Sequence[Node]) -> str:
        x = context.operand(group[0]).shape
        lost = _count_lost(group[0], (x,), group[0].shape)
        pixels = "position" if lost == 1 else f"{lost} positions"
        return f"no window of this {group[0].op.kind} reaches the last {pixels} of an axis of {x}"

    yield from at_each_place(losing, tell, lambda group: remedy)
    yield from _find_gaps(graph)


def _find_gaps(graph: Graph) -> Iterable[Hit]:
    """Find windows with taps so far apart that a stride brings them to the same positions again and again."""
    sliding = ((node, node.op) for node in graph if isinstance(node.op, Conv | Pool))
    wide = {node.id: max(op.windows(graph.operands(node)[0]), key=_find_gap) for node, op in sliding}
    gaps = {id: _find_gap(window) for id, window in wide.items()}

    def tell(group: Sequence[Node]) -> str:
        window, gap = wide[group[0].id], gaps[group[0].id]
        ordinal = {2: "2nd", 3: "3rd"}.get(gap, f"{gap}th")
        return (
            f"this {group[0].op.kind} reads every {ordinal} position of an axis alone: its stride of {window.stride} "
            f"and its dilation of {window.dilation} step over the others"
        )

    remedy = "take a stride and a dilation without a common factor"
    return at_each_place((graph[id] for id, gap in gaps.items() if gap > 1), tell, lambda group: remedy)


def _find_gap(window: Window) -> int:
    """The distance between two of the only positions that the windows along an axis read."""
    return gcd(window.stride, window.dilation) if window.kernel > 1 else 1


def _count_lost(node: Node, operands: Sequence[Shape], result: Shape) -> int:
    """The positions at the end of an axis in front of which the last window ends and the next one would begin; the most
    on any axis. What lies between two windows is passed over on purpose."""
    if not isinstance(node.op, Conv | Pool):
        return 0
    return max(map(_count_uncovered, node.op.windows(operands[0]), operands[0].space, result.space))


def _count_uncovered(window: Window, size: int, count: int) -> int:
    next_start = count * window.stride - window.before
    return max(0, size - max(next_start, next_start - window.stride + window.reach))


def _tell_whole_sizes(graph: Graph) -> str:
    """The nearest sizes of which nothing is lost, where there are some."""
    tries = min(MAX_DISTANCE, MAX_SHAPES // (2 * len(graph)))
    for more in (sign * distance for distance in range(1, tries + 1) for sign in (1, -1)):
        sizes = {name: value + more for name, value in graph.sizes.items()}
        if sizes and min(sizes.values()) > 0 and _keeps_all(graph, sizes):
            return f"at {' and '.join(f'{name} = {size}' for name, size in sizes.items())} none is lost"
    return ""


def _keeps_all(graph: Graph, sizes: Mapping[str, int]) -> bool:
    try:
        shapes = graph.infer(sizes)
    except OpError:
        return False
    return not any(_count_lost(node, [shapes[id] for id in node.inputs], shapes[node.id]) for node in graph)


def find_misaligned_merges(context: LintContext) -> Iterable[Hit]:
    apart = [merge for merge in context.receptive_field.misaligned if not merge.slight]
    windowed = _find_behind_windows(context) if apart else frozenset()
    merges = {
        merge.node: merge
        for merge in apart
        if not _end_together(context, merge) and (merge.node not in windowed or len(set(merge.strides)) > 1)
    }

    def tell(group: Sequence[Node]) -> str:
        merge = merges[group[0].id]
        told = (
            f"this {group[0].op.kind} merges values whose positions do not look at the same places of '{merge.input}'"
        )
        if len(set(merge.strides)) > 1:
            return f"{told}: neighbours look {_listed(merge.strides)} pixels apart"
        return f"{told}: the centres lie {_listed(merge.offsets[1:])} pixels from those of its first operand"

    return at_each_place((context.graph[id] for id in merges), tell)


def _find_behind_windows(context: LintContext) -> frozenset[str]:
    """The nodes behind attention in windows: what a position sees there begins and ends with windows, wherever in them
    it lies, so that the centre of that says nothing of the position."""
    behind: set[str] = set()
    for node in context.graph:
        in_windows = isinstance(node.op, Attention) and node.op.window is not None
        if in_windows or not behind.isdisjoint(node.data_inputs):
            behind.add(node.id)
    return frozenset(behind)


def _end_together(context: LintContext, merge: Misalignment) -> bool:
    """Tell whether what all operands see ends at one place, as behind causal paddings, where all look back from it."""
    views = [seen for id in merge.operands for seen in context.receptive_field.of(id) if seen.input == merge.input]
    ends = {tuple(map(_find_end, seen.centre, seen.local)) for seen in views}
    return len(set(merge.strides)) == len(ends) == 1


def _find_end(centre: Fraction, size: int) -> Fraction:
    """Find the last input position of a field."""
    return centre + Fraction(size - 1, 2)


def _listed(rows: Iterable[Sequence[Fraction]]) -> str:
    """Write numbers as `2 and 4`, or by axis `2×2 and 4×2`."""
    told = dict.fromkeys(
        write_shape(f"{float(value):g}" for value in (row[:1] if len(set(row)) == 1 else row)) for row in rows
    )
    return " and ".join(told)


def find_unproductive_convs(context: LintContext) -> Iterable[Hit]:
    spaces = {node.shape.space for node in context.graph.inputs.values()}
    blind = dict(_see_everything(context, *spaces)) if len(spaces) == 1 else {}
    if not blind:
        return
    (id, seen), (extents,) = next(iter(blind.items())), spaces
    first = context.graph[id]
    sizes = " on an input of ".join(write_shape(size) for size in (seen, extents))
    message = f"what this {first.op.kind} reads has, by its narrowest path, a receptive field of {sizes}"
    yield Hit(message, first.source.place, tuple(blind), first.source.calls)


def _see_everything(context: LintContext, extents: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    """The convolutions whose operand has a receptive field, by its narrowest path, as large as the input; and its size.
    One that has a single tap on its map looks at no neighbour, whatever these have seen. Nothing is said of what is
    behind nodes that may see less than they were taken to."""
    field = context.receptive_field
    reach: dict[str, Sights | None] = {}
    for laid in field.graph:
        axes = field.readings[laid.id].axes if laid.inputs else ()
        ways = [(i, reach[operand]) for i, operand in enumerate(laid.data_inputs)]
        sights = [_look(axes, i, seen, extents) for i, seen in ways if seen is not None]
        known = len(sights) == len(ways) and laid.id not in field.adrift
        start = tuple((Fraction(1), Fraction(1)) for _ in extents)
        reach[laid.id] = (min(sights) if sights else start) if known else None
        node = context.graph[laid.id]
        if isinstance(node.op, Conv) and prod(node.op.live_taps(*context.graph.operands(node))) > 1:
            before = reach[laid.inputs[0]]
            seen = [int(size) for size, _ in before or ()]
            if before and all(size >= extent for size, extent in zip(seen, extents, strict=True)):
                yield node.id, seen


def _look(axes: Sequence[AxisReading], position: int, seen: Sights, extents: Sequence[int]) -> Sights:
    """Find what a position sees through one operand."""
    if all(reading.passes for reading in axes):
        return seen
    sights = []
    for reading, (size, jump), extent in zip(axes, seen, extents, strict=False):
        places = reading.turn[0][position]
        passed = jump if reading.stride_fraction is ONE else jump * reading.stride_fraction
        further = places[-1] - places[0] if places else 0
        sights.append((Fraction(extent), jump) if places is None else (size + further * jump, passed))
    return tuple(sights)


RULES = (
    LintRule(
        "lost-pixels",
        "a stride leaves out pixels of a map",
        "choose a size that fits, a padding, or `ceil: true` of a pooling",
        "Where a map's extent, less the kernel, is no multiple of the stride, the last window ends before the map "
        "does. What lies behind it has no effect and gets no gradient there, though it was computed; and in an "
        "encoder and decoder the map does not come back to its extent. Where the stride and the dilation of a window "
        "have a common factor, its taps meet the same positions again and again, and never those between them.",
        check=find_lost_pixels,
    ),
    LintRule(
        "misaligned-merge",
        "a merge joins values that look at different places",
        "give both ways the same strides, and kernels and paddings with one centre",
        "Position i of each operand should stand for the same place of the input. Where their strides or the centres "
        "of their receptive fields differ, each sum or concatenation mixes places, and with the blocks the offset may "
        "grow. Usual causes are even kernels on one way alone, and strides with paddings that do not match (Araujo, "
        "Norris and Sim, 2019). Centres that lie apart by less than neighbours do are not reported, nor by less than "
        "neighbours do on a coarser map that one way alone leads through: doubling by repetition, as decoders do it, "
        "moves them by half a position each time. Nor are operands whose fields end at one place, as behind causal "
        "convolutions, nor centres behind attention in windows, which are those of windows.",
        check=find_misaligned_merges,
    ),
    LintRule(
        "unproductive-conv",
        "a convolution reads what has seen the whole input",
        "take a larger input, fewer strides before it, or fewer layers",
        "Where the receptive field of what it reads is as large as the input, by its narrowest path too, a "
        "convolution over several positions finds little new in its neighbours: those in the middle have seen "
        "everything. Such layers were measured to add little or nothing to accuracy (Richter et al., 2021). One "
        "finding, at the first, stands for all.",
        check=find_unproductive_convs,
    ),
)
