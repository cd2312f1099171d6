"""One picture of a graph, before it is written in any format: its blocks, which of them are open, and their words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from archspec.errors import ArchspecError
from archspec.wording import cut
from compiler.analysis.unknown import find_unknown
from compiler.draw.blocks import PictureBlock, fold_blocks
from compiler.draw.figures import Figures, GraphFigures
from compiler.draw.grid import BlockGrid, plan_grids
from compiler.draw.labels import MAX_LETTERS
from compiler.draw.wires import EDGE, Inside, Wire, connect
from compiler.graph import Graph

DEPTH = 2
"""The number of levels of blocks that are open unless said otherwise."""
MAX_VISIBLE = 6_000
"""The largest number of boxes that are seen in one picture."""


@dataclass(frozen=True)
class GraphPicture:
    """A graph's blocks, and those of them that are open: all that stand less than `depth` deep, and those whose name or
    path one of `opened` fits, with the ones around them."""

    graph: Graph
    whole: PictureBlock
    depth: int = DEPTH
    opened: frozenset[str] = frozenset()

    @cached_property
    def inside(self) -> Mapping[str, Inside]:
        """The wires from box to box inside each block, by its id."""
        return connect(self.graph, self.whole)

    @cached_property
    def grids(self) -> dict[str, BlockGrid]:
        """The places of the boxes inside each block, by its id."""
        return plan_grids(self.whole, self.inside)

    @cached_property
    def measured(self) -> GraphFigures:
        return GraphFigures(self.graph)

    @cached_property
    def _open(self) -> frozenset[str]:
        near = {block.id for depth, block in self.whole.walk() if block.children and depth < self.depth}
        return frozenset(near | self.opened)

    def is_open(self, block: PictureBlock) -> bool:
        return block.id in self._open

    def visible(self, block: PictureBlock | None = None) -> Iterator[PictureBlock]:
        """The boxes that are seen, each before those in it."""
        for child in (block or self.whole).children:
            yield child
            if self.is_open(child):
                yield from self.visible(child)

    # -- words -----------------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        return self.graph.name

    @property
    def summary(self) -> str:
        unknown = sum(find_unknown(self.graph).values())
        missing = f" · {unknown:,} unknown, not counted" if unknown else ""
        return (self.figures(self.whole).counts or "no parameters") + missing

    @property
    def description(self) -> str:
        """The boxes that are seen in words, for those who do not see them."""
        parts = [cut(self.describe(child), 120) for child in self.whole.children[:60]]
        more = len(self.whole.children) - len(parts)
        return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")

    def figures(self, block: PictureBlock) -> Figures:
        return self.measured.of(block)

    def head(self, block: PictureBlock) -> str:
        """Write the text at the top of a block, before its figures."""
        return cut(block.title, 60) + (f" ×{block.times}" if block.times > 1 else "")

    def lines(self, block: PictureBlock) -> list[str]:
        """Write the lines of text on a closed block or an operation's box."""
        figures = self.figures(block)
        times = f" ×{block.times}" if block.times > 1 else ""
        words = list(block.lines) or [block.title]
        words[0] += times
        return [cut(line, MAX_LETTERS) for line in (*words, figures.shape, figures.counts) if line]

    def words(self, block: PictureBlock) -> int:
        """Count the lines that are words; the others are figures."""
        return len(block.lines) or 1

    def describe(self, block: PictureBlock) -> str:
        """Write a box in one line."""
        figures = self.figures(block)
        what = ", ".join(block.lines) if block.lines else f"block {block.title}"
        times = f", {block.times} times" if block.times > 1 else ""
        counts = f", {figures.counts}" if figures.counts else ""
        return cut(f"{what}{times}: {figures.shape}{counts}", 300)

    # -- wires between what is seen ------------------------------------------------------------------------------

    def links(self) -> Iterator[Wire]:
        """The wires between the boxes that are seen and not open, each from end to end."""
        for block in (self.whole, *filter(self.is_open, self.visible())):
            for wire in self.inside[block.id].wires.values():
                if EDGE not in (wire.source, wire.target):
                    source = self._find_source(wire.source, wire.net)
                    yield from (replace(end, source=source) for end in self._find_ends(wire))

    def _find_source(self, id: str, net: str) -> str:
        while id in self._open:
            id = next(wire.source for wire in self.inside[id].wires.values() if (wire.target, wire.net) == (EDGE, net))
        return id

    def _find_ends(self, wire: Wire) -> Iterator[Wire]:
        """The last part of a wire, or of those that it becomes in the block where it ends."""
        if wire.target not in self._open:
            yield wire
            return
        for inner in self.inside[wire.target].wires.values():
            if (inner.source, inner.net) == (EDGE, wire.net) and inner.target != EDGE:
                yield from self._find_ends(inner)

    def to_dict(self) -> dict[str, Any]:
        """Give the blocks with their figures, and the wires inside each, whatever is open."""
        return {"name": self.graph.name, "sizes": dict(self.graph.sizes), **self._describe_block(self.whole)}

    def _describe_block(self, block: PictureBlock) -> dict[str, Any]:
        figures = self.figures(block) if block is not self.whole else None
        row: dict[str, Any] = {"id": block.id, "title": block.title, "kind": block.kind, "times": block.times}
        if figures:
            row |= {"shape": list(figures.first), "last_shape": list(figures.last)}
            row |= {"parameters": figures.parameters, "macs": figures.macs}
        if not block.children:
            return row | {"operations": list(block.lines), "nodes": list(block.nodes)}
        inside = self.inside[block.id]
        wires = [
            {"from": wire.source or None, "to": wire.target or None, "result_of": wire.net, "signal": wire.signal}
            for wire in inside.wires.values()
            for _ in range(wire.times)
        ]
        row |= {"entries": list(inside.entries), "exits": list(inside.exits), "wires": wires}
        return row | {"children": [self._describe_block(child) for child in block.children]}

    # -- places of wires -------------------------------------------------------------------------------------------

    def entry(self, block: PictureBlock, net: str) -> float:
        """Give the place where a net comes in, in steps from the middle of the block's upper edge."""
        return _from_middle(self.inside[block.id].entries, net) if block.children else 0

    def exit(self, block: PictureBlock, net: str) -> float:
        """Give the place where a net leaves, in steps from the middle of the block's lower edge."""
        return _from_middle(self.inside[block.id].exits, net) if block.children else 0


def draw_graph(graph: Graph, *, depth: int | None = None, patterns: Collection[str] = ()) -> GraphPicture:
    """Draw a graph with `depth` levels of blocks open, and the blocks whose title or path one of `patterns` fits, such
    as `*.i2.*` or `bottleneck*`, with those around them.

    Raises ArchspecError where a pattern fits none, or there is too much to draw.
    """
    whole = fold_blocks(graph)
    picture = GraphPicture(graph, whole, DEPTH if depth is None else depth, _find_opened(whole, patterns))
    count = sum(1 for _ in picture.visible())
    if count > MAX_VISIBLE:
        raise ArchspecError(
            f"the picture of {graph.name} would have {count:,} boxes, more than {MAX_VISIBLE:,}; "
            "open fewer blocks with --depth"
        )
    return picture


def _find_opened(whole: PictureBlock, patterns: Collection[str]) -> frozenset[str]:
    around = dict(_find_around(whole, ()))
    opened: set[str] = set()
    for pattern in patterns:
        found = [
            id
            for id, (block, _) in around.items()
            if any(fnmatchcase(name, pattern) for name in (block.title, id[:-1]))
        ]
        if not found:
            raise ArchspecError(f"no block of {whole.title} fits '{pattern}'; names are such as {_name_some(whole)}")
        opened.update(id for name in found for id in around[name][1])
    return frozenset(opened)


def _find_around(
    block: PictureBlock, around: tuple[str, ...]
) -> Iterator[tuple[str, tuple[PictureBlock, tuple[str, ...]]]]:
    """Find each block by its id, with the ids of those around it and its own."""
    for child in block.children:
        if child.children:
            way = (*around, child.id)
            yield child.id, (child, way)
            yield from _find_around(child, way)


def _name_some(whole: PictureBlock) -> str:
    titles = dict.fromkeys(block.title for _, block in whole.walk() if block.children)
    return ", ".join(f"'{title}'" for title in list(titles)[:5]) or "none: it has no blocks"


def _from_middle(nets: dict[str, None], net: str) -> float:
    place = list(nets).index(net)
    return place - (len(nets) - 1) / 2
