"""A page of one file that needs nothing else: the graph, and with a report its numbers, plots and lint list.

Its policy forbids every request and every script and style but its own two, which are named by their digests. Whatever
comes from a spec is escaped, or lies in a data block that the script puts in as text.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from archspec.errors import ArchspecError
from archspec.wording import approximate, cut, shorten_bytes, shorten_count, write_count, write_shape
from compiler.analysis.certainty import Mark, find_mark, show
from compiler.analysis.unknown import find_unknown, mark_unknown, tell_unknown
from compiler.draw.facts import Parts, list_facts, split_cost, tell_place
from compiler.draw.nested import Nested
from compiler.draw.picture import GraphPicture
from compiler.draw.theme import COLOURS, LEGEND

if TYPE_CHECKING:
    from compiler.analysis.cost.cost import Cost
    from compiler.analysis.report import Report
    from compiler.draw.blocks import PictureBlock
    from compiler.draw.plots import Plot


MAX_BOXES = 30_000
"""The largest number of boxes of a page, which has all of them, whatever is open."""
MAX_CARDS = 5
"""The largest number of cards in one row at the head of a page; all rows have about as many."""


def write_page(picture: GraphPicture, report: Report | None = None, *, description: str = "", origin: str = "") -> str:
    """Write the whole text of the page; with a report it has plots, which need matplotlib. `description` says what
    network it is, and `origin` how the page was made.

    Raises ArchspecError where there is too much for a page.
    """
    count = sum(1 for _ in picture.whole.walk())
    if count > MAX_BOXES:
        raise ArchspecError(
            f"a page of {picture.title} would have {count:,} boxes, more than {MAX_BOXES:,}; "
            "draw it as svg, with few of them open"
        )
    nested = Nested(picture)
    graph = nested.write()
    parts = split_cost(picture.graph, report.cost) if report else None
    plots = _draw_plots(picture, report, parts, nested) if report and parts else []
    style = "\n".join([_read("page.css"), _colour_kinds(), nested.style])
    script = _read("page.js")
    title = escape(cut(picture.title, 200))
    pieces = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_write_policy(style, script)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title} · archspec</title>\n<style>{style}</style>\n</head>\n<body>",
        '<a class="skip" href="#graph">Skip to the graph</a>',
        *_write_header(picture, report, description, origin),
        "<main>",
        *_write_graph(picture, graph),
        *_write_plots(plots),
        *_write_lint(picture, report),
        "</main>",
        f'<script type="application/json" id="data">{_write_data(picture, report, parts, nested)}</script>',
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "\n".join(pieces)


def _read(name: str) -> str:
    return files("compiler.draw").joinpath(name).read_text(encoding="utf-8")


def _write_policy(style: str, script: str) -> str:
    digests = [b64encode(sha256(text.encode()).digest()).decode() for text in (style, script)]
    rules = [f"style-src 'sha256-{digests[0]}'", f"script-src 'sha256-{digests[1]}'"]
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _colour_kinds() -> str:
    """The colours of kinds on both grounds."""
    sheets = [
        "".join(f"--{kind}: {pair[side]}; " for kind, pair in COLOURS.items() if kind != "label") for side in (0, 1)
    ]
    rules = "".join(f".{kind} {{ background: var(--{kind}) }}\n" for kind in COLOURS if kind != "label")
    dark = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {sheets[1]}}} }}"
    return f":root {{ {sheets[0]}}}\n{dark}\n{rules}"


# -- numbers of the whole --------------------------------------------------------------------------------------------


def _write_header(picture: GraphPicture, report: Report | None, description: str, origin: str) -> Iterator[str]:
    sizes = ", ".join(f"{name} = {value}" for name, value in picture.graph.sizes.items())
    shapes = [f"{name} {node.shape}" for name, node in picture.graph.inputs.items()]
    shapes += [f"{name} {picture.graph[id].shape}" for name, id in picture.graph.outputs.items()]
    yield f"<header><h1>{escape(cut(picture.title, 200))}</h1>"
    yield f"<p>{escape(cut(' '.join(description.split()), 1000))}</p>" if description else ""
    yield f'<p class="note">{escape(cut("; ".join(shapes), 400))}{escape(f"; at {sizes}" if sizes else "")}</p>'
    cards = list(_list_headlines(picture, report))
    rows = -(-len(cards) // MAX_CARDS)
    yield f'<dl class="headline by{-(-len(cards) // rows)}">'
    for name, value, more in cards:
        yield f"<div><dt>{escape(name)}</dt><dd><b>{escape(value)}</b><small>{escape(more)}</small></dd></div>"
    yield "</dl>"
    yield f'<p class="note">{escape(cut(origin, 400))}</p>' if origin else ""
    yield "</header>"


def _list_headlines(picture: GraphPicture, report: Report | None) -> Iterator[tuple[str, str, str]]:
    whole = picture.figures(picture.whole)
    unknown = find_unknown(picture.graph)
    least = mark_unknown(picture.graph).get("macs")
    yield "parameters", show(shorten_count(whole.parameters), least), show(f"{whole.parameters:,}", least)
    yield "MACs", show(shorten_count(whole.macs), least), f"{show(f'{whole.macs:,}', least)}, conv-linear"
    counted = f"of which unknown, and not counted: {tell_unknown(unknown)}" if unknown else "nodes of the graph"
    yield "operations", f"{len(picture.graph) - len(picture.graph.inputs):,}", cut(counted, 120)
    if not report:
        return
    little, whole_count = approximate(report.paths.op.total), write_count(report.paths.op.total)
    yield "paths", little, whole_count if whole_count != little else "from the inputs to the outputs"
    yield from _list_answers(report)


def _list_answers(report: Report) -> Iterator[tuple[str, str, str]]:
    """The headlines of what was asked for."""
    seen = report.receptive_field.first if report.receptive_field else None
    if seen and seen.field.size:
        stride = write_shape(f"{float(step):g}" for step in seen.field.stride)
        size = show(write_shape(seen.field.size), find_mark(report.marks, "receptive_field.size"))
        yield "receptive field", size, f"stride {stride}, of the last map; not followed further"
    if report.memory:
        peak, saved = report.memory.inference.peak.bytes, report.memory.training.saved
        yield from _tell_bytes("inference peak", peak, find_mark(report.marks, "memory.inference_peak_bytes"))
        yield from _tell_bytes("saved for training", saved, find_mark(report.marks, "memory.training_saved_bytes"))
    if report.lint is not None:
        count = show(f"{len(report.lint):,}", find_mark(report.marks, "lint.count"))
        yield "lint", count, "finding" if len(report.lint) == 1 else "findings"


def _tell_bytes(name: str, size: int, mark: Mark | None) -> Iterator[tuple[str, str, str]]:
    if size:
        yield name, show(shorten_bytes(size), mark), show(f"{size:,} bytes", mark)


# -- the graph -------------------------------------------------------------------------------------------------------


def _write_graph(picture: GraphPicture, graph: str) -> Iterator[str]:
    used = {block.kind for _, block in picture.whole.walk()}
    legend = "".join(
        f'<li><i class="{kind}"></i>{escape(text)}</li>'
        for kind, text in LEGEND.items()
        if kind in used and kind != "label"
    )
    yield f"""<section id="graph" aria-labelledby="graph-head"><h2 id="graph-head">Graph</h2>
<form class="tools" id="finder" role="search"><label for="search">Find
<input id="search" type="search" autocomplete="off" placeholder="a node, an operation, a shape"></label>
<span id="count" role="status"></span>
<button type="button" id="open">Open all</button><button type="button" id="close">Close all</button>
<button type="button" id="farther" aria-label="Smaller">−</button>
<button type="button" id="nearer" aria-label="Larger">+</button></form>
<ul class="found" id="found" aria-label="Nodes that were found"></ul>
<ul class="legend" aria-label="Colours">{legend}</ul>
<div class="desk"><div class="canvas" role="group" aria-label="Blocks of the network" tabindex="0">
<div class="whole" id="whole">{graph}</div></div>
<aside class="numbers" id="numbers" aria-live="polite" aria-label="Numbers of the chosen block">
<p>Choose a block to see its numbers. ×N: N equal neighbours; the figures of a box are sums over all that it
stands for.</p></aside></div></section>"""


def _write_data(picture: GraphPicture, report: Report | None, parts: Parts | None, nested: Nested) -> str:
    """Write what the script knows; `<` is spelled out, so that nothing ends the element."""
    order = {id: number for number, id in enumerate(picture.graph.nodes)}
    home = [0] * len(order)
    rows: list[dict[str, Any]] = []
    for block in (picture.whole, *(block for _, block in picture.whole.walk())):
        row = _describe_block(picture, block, order)
        for node in row["nodes"] if not block.children else ():
            home[node] = len(rows)
        rows.append(row)
    if parts:
        for name, cost in parts.costs:
            nodes = [order[node.id] for node in cost.nodes]
            rows.append({"title": f"{parts.word} {name}", "times": 1, "facts": _list_costs(cost), "nodes": nodes})
    columns = [{"title": column.title, "texts": column.texts} for column in list_facts(picture.graph, report)]
    data = {"blocks": rows, "nodes": list(order), "home": home, "facts": columns, "wires": nested.wires}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _describe_block(picture: GraphPicture, block: PictureBlock, order: Mapping[str, int]) -> dict[str, Any]:
    shape = [["result", picture.figures(block).shape]] if block is not picture.whole else []
    facts = shape + _list_costs(picture.measured.cost_of(block))
    nodes = sorted(order[id] for id in block.nodes)
    return {"title": block.title, "times": block.times, "facts": facts, "nodes": nodes}


def _list_costs(cost: Cost) -> list[list[str]]:
    """List what a part of the network costs, for one sample, without what there is none of."""
    counts = (
        ("parameters", cost.parameters + cost.frozen),
        ("MACs", cost.macs["conv-linear"]),
        ("elementwise", cost.elementwise),
        ("bytes moved", cost.moved()),
    )
    intensity = [["operations per byte, fp32", f"{cost.intensity():.3g}"]] if cost.moved() else []
    return [[name, f"{count:,}"] for name, count in counts if count] + intensity


# -- plots and lists -------------------------------------------------------------------------------------------------


def _draw_plots(picture: GraphPicture, report: Report, parts: Parts, nested: Nested) -> list[Plot]:
    from compiler.draw.plots import draw_plots

    return draw_plots(picture.graph, report, parts, len(nested.numbers))


def _write_plots(plots: Sequence[Plot]) -> Iterator[str]:
    if not plots:
        return
    yield '<section class="plots" aria-label="Plots">'
    for plot in plots:
        yield f'<figure aria-labelledby="{plot.id}-head"><h2 id="{plot.id}-head">{escape(plot.title)}</h2>'
        label = f'role="img" aria-label="{escape(f"{plot.title}. {plot.text}")}"'
        yield f'<div class="plot" {label}>{plot.svg}</div>'
        yield f"<figcaption>{escape(plot.text)}</figcaption>"
        yield from _write_table(plot)
        yield "</figure>"
    yield "</section>"


def _write_table(plot: Plot) -> Iterator[str]:
    yield '<details class="data"><summary>The numbers</summary><div class="scroll"><table><thead><tr>'
    yield "".join(f'<th scope="col">{escape(name)}</th>' for name in plot.columns) + "</tr></thead><tbody>"
    for row in plot.rows:
        first, *others = map(escape, row.cells)
        if row.node is not None:
            first = f'<button type="button" class="link" data-n="{row.node}">{first}</button>'
        elif row.block is not None:
            first = f'<button type="button" class="link" data-b="{row.block}">{first}</button>'
        yield f"<tr><td>{first}</td>{''.join(f'<td>{cell}</td>' for cell in others)}</tr>"
    yield "</tbody></table></div></details>"


def _write_lint(picture: GraphPicture, report: Report | None) -> Iterator[str]:
    if report is None or report.lint is None:
        return
    order = {id: number for number, id in enumerate(picture.graph.nodes)}
    yield '<section aria-labelledby="lint-head"><h2 id="lint-head">Lint</h2>'
    yield '<ul class="lint">' if report.lint else "<p>Nothing was found.</p>"
    for finding in report.lint:
        links = "".join(
            f' <button type="button" class="link" data-n="{order[id]}">{escape(id)}</button>'
            for id in finding.nodes[:3]
            if id in order
        )
        more = f" and {len(finding.nodes) - 3:,} more" if len(finding.nodes) > 3 else ""
        yield f"<li><code>{escape(finding.code)}</code> {escape(finding.message)}; {escape(finding.remedy)}"
        yield f'<br><span class="note">{escape(tell_place(finding.place))}</span>{links}{more}</li>'
    yield "</ul></section>" if report.lint else "</section>"
