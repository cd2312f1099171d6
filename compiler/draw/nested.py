"""The graph of a page: blocks that open and close as `<details>`, laid out by the browser in the rows and columns of
their grids. `page.js` draws the wires, whose ways it takes from `Nested.wires`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from archspec.wording import cut
from compiler.draw.blocks import PictureBlock
from compiler.draw.grid import BlockGrid, WireRoute
from compiler.draw.picture import GraphPicture
from compiler.draw.theme import RADIUS, draw_sign, spread
from compiler.draw.wires import EDGE


@dataclass
class Nested:
    """The markup of a picture's blocks, the rules of style that it needs, and what its script has to know: `numbers` is
    each block's place in the page, `wires` by that number what runs inside it."""

    picture: GraphPicture
    numbers: dict[str, int] = field(default_factory=dict)
    wires: dict[int, dict[str, Any]] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=lambda: {"r": 0, "c": 0, "t": 0})

    def write(self) -> str:
        """Write the markup, and fill the rest."""
        blocks = [self.picture.whole, *(block for _, block in self.picture.whole.walk())]
        self.numbers = {block.id: number for number, block in enumerate(blocks)}
        return "".join(self._write_body(self.picture.whole))

    @property
    def style(self) -> str:
        """Write the rules for the classes that say where a box lies."""
        rules = [f".{name}{{grid-template-columns:{columns}}}" for columns, name in self.templates.items()]
        rules += [f".r{n}{{grid-row:{n + 1}}}" for n in range(self.extents["r"] + 1)]
        rules += [f".c{n}{{grid-column:{n + 1}}}" for n in range(self.extents["c"] + 1)]
        rules += [
            f".t{n}{{margin-top:{20 + 8 * n}px}}.e{n}{{padding-bottom:{20 + 8 * n}px}}"
            for n in range(self.extents["t"] + 1)
        ]
        return "\n".join(rules)

    def _write_body(self, block: PictureBlock) -> Iterator[str]:
        grid, number = self.picture.grids[block.id], self.numbers[block.id]
        self.extents["t"] = max(self.extents["t"], *grid.tracks)
        columns = " ".join("14px" if column in grid.lanes else "auto" for column in range(grid.width))
        template = self.templates.setdefault(columns, f"g{len(self.templates)}")
        yield f'<div class="body {template} e{grid.tracks[-1]}" data-w="{number}">'
        yield '<svg class="wires" aria-hidden="true"></svg>'
        for lane in sorted(grid.lanes):
            yield f'<i class="lane {self._at(0, lane)}" data-c="{lane}"></i>'
        for child in block.children:
            row, column = grid.rows[child.id], grid.columns[child.id]
            place = f'{self._at(row, column)} t{grid.tracks[row]}" data-r="{row}" data-c="{column}'
            yield from self._write_block(child, place)
        yield "</div>"
        self.wires[number] = {
            "height": grid.height,
            "runs": [self._list_route(block, route, grid) for route in grid.routes],
        }

    def _at(self, row: int, column: int) -> str:
        self.extents["r"] = max(self.extents["r"], row)
        self.extents["c"] = max(self.extents["c"], column)
        return f"r{row} c{column}"

    def _write_block(self, block: PictureBlock, place: str) -> Iterator[str]:
        number = self.numbers[block.id]
        said = escape(self.picture.describe(block))
        if block.children:
            open_ = " open" if self.picture.is_open(block) else ""
            pile = " pile" if block.times > 1 else ""
            yield f'<details class="block{pile} {place}" id="b{number}" data-b="{number}"{open_}>'
            yield f'<summary aria-label="{said}">{self._write_head(block)}</summary>'
            yield from self._write_body(block)
            yield "</details>"
        elif block.kind == "merge":
            signs = "".join(f'<path d="{path}"/>' for path in draw_sign(RADIUS, RADIUS, block.lines[0]))
            yield f'<button type="button" class="mark {place}" id="b{number}" data-b="{number}" '
            yield f'aria-label="{said}" title="{said}">'
            yield f'<svg viewBox="0 0 18 18" aria-hidden="true">{signs}</svg></button>'
        else:
            pile = " pile" if block.times > 1 else ""
            lines = self.picture.lines(block)
            words = self.picture.words(block)
            shown = "".join(
                f"<span{'' if i < words else ' class=more'}>{escape(line)}</span>" for i, line in enumerate(lines)
            )
            yield f'<button type="button" class="leaf {block.kind}{pile} {place}" id="b{number}" data-b="{number}" '
            yield f'aria-label="{said}">{shown}</button>'

    def _write_head(self, block: PictureBlock) -> str:
        figures = self.picture.figures(block)
        times = f" <b>×{block.times}</b>" if block.times > 1 else ""
        more = " · ".join(filter(None, (figures.shape, figures.counts)))
        return f'<strong>{escape(cut(block.title, 60))}</strong>{times} <span class="more">{escape(more)}</span>'

    def _list_route(self, block: PictureBlock, route: WireRoute, grid: BlockGrid) -> list[Any]:
        """A wire for the script: source and target (-1: the edge), lane (-1: none), tracks, whether it ends at a side
        and whether it carries signal, how far from the middle it starts and ends, and how far beside that each of its
        lines runs."""
        wire = route.wire
        by_id = {child.id: child for child in block.children}
        source = block if wire.source == EDGE else by_id[wire.source]
        target = block if wire.target == EDGE else by_id[wire.target]
        start = self.picture.entry(block, wire.net) if source is block else self.picture.exit(source, wire.net)
        end = self.picture.exit(block, wire.net) if target is block else self.picture.entry(target, wire.net)
        return [
            -1 if source is block else self.numbers[source.id],
            -1 if target is block else self.numbers[target.id],
            -1 if route.lane is None else route.lane,
            route.leave,
            route.arrive,
            int(route.side),
            int(wire.signal),
            start,
            end,
            spread(wire.times),
        ]
