"""The plots of a report: drawn by matplotlib, written as SVG that a page can take in.

Colours are classes of the page's style, so that they follow its ground; what stands for a node or a block carries its
number, so that the page can link it. The same data give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from archspec.wording import shorten_count, write_count
from compiler.draw.facts import Parts
from compiler.draw.plotting import looking, save, use_log_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from compiler.analysis.report import Report
    from compiler.graph import Graph

ROLES = {"#0000f1": "one", "#0000f2": "two", "#0000f3": "text", "#0000f4": "ground", "#0000f5": "faint"}
"""The colours that matplotlib draws with, and the classes that they become."""
ONE, TWO, TEXT, GROUND, FAINT = ROLES
LOOK: Any = {
    "font.size": 9,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "figure.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "grid.color": FAINT,
}
MAX_POINTS = 300
"""The largest number of points of a curve that can be chosen; the line goes through all."""
MAX_BARS = 400
"""The largest number of lengths of paths that have a bar each; more are one area."""

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"


@dataclass(frozen=True)
class PlotRow:
    """A line of the table below a plot; `node` or `block` is the number of what it is about."""

    cells: tuple[str, ...]
    node: int | None = None
    block: int | None = None


@dataclass(frozen=True)
class Plot:
    """A picture with its heading, what it shows, and its numbers as a table."""

    id: str
    title: str
    text: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[PlotRow, ...]


def draw_plots(graph: Graph, report: Report, parts: Parts, first: int) -> list[Plot]:
    """Draw a plot for each answer that the report has; `parts` are counted on from `first`, as blocks are."""
    with looking(LOOK, TEXT):
        plots = [_plot_parts(parts, first), _plot_lengths(report)]
        plots += [_plot_signal(graph, report), _plot_memory(graph, report), _plot_fields(graph, report)]
    return [plot for plot in plots if plot is not None]


# -- each plot -------------------------------------------------------------------------------------------------------


def _plot_parts(parts: Parts, first: int) -> Plot | None:
    names = [name for name, _ in parts.costs]
    macs = [cost.macs["conv-linear"] for _, cost in parts.costs]
    parameters = [cost.parameters for _, cost in parts.costs]
    if len(names) < 2 or not sum(macs):
        return None
    figure, axes = _new_axes(height=0.9 + 0.42 * len(names))
    marks: dict[str, tuple[str, str]] = {}
    for counts, shift, colour in ((macs, -0.2, ONE), (parameters, 0.2, TWO)):
        shares = [100 * count / (sum(counts) or 1) for count in counts]
        for i, bar in enumerate(axes.barh([i + shift for i in range(len(names))], shares, 0.36, color=colour)):
            gid = f"part{i}-{ROLES[colour]}"
            bar.set_gid(gid)
            marks[gid] = ("data-b", str(first + i))
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("percent of the whole")
    axes.grid(axis="y", visible=False)
    _explain(axes, (ONE, "MACs"), (TWO, "parameters"))
    rows = tuple(
        PlotRow((name, f"{one:,}", f"{other:,}"), block=first + i)
        for i, (name, one, other) in enumerate(zip(names, macs, parameters, strict=True))
    )
    text = (
        f"Multiply-accumulates ({shorten_count(sum(macs))}, conv-linear) and parameters "
        f"({shorten_count(sum(parameters))}) {parts.text}."
    )
    columns = (parts.word, "MACs", "parameters")
    return Plot("cost", f"Cost by {parts.word}", text, _write(figure, "cost", marks), columns, rows)


def _plot_lengths(report: Report) -> Plot | None:
    level, what = report.paths.block, "residual or dense bodies"
    if len(level.by_length or ()) == 1:
        level, what = report.paths.op, "operations"
    lengths, total = level.by_length, level.total
    if not lengths or len(lengths) < 2:
        return None
    figure, axes = _new_axes()
    shares = [count * 10**8 // total / 10**6 for count in lengths.values()]  # integers first: beyond a float
    if len(lengths) > MAX_BARS:
        axes.fill_between(list(lengths), shares, color=ONE, step="mid")
    else:
        axes.bar(list(lengths), shares, 0.8, color=ONE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"{what} on the path")
    axes.set_ylabel("percent of the paths")
    rows = tuple(
        PlotRow((str(length), write_count(count), f"{share:.4f} %"))
        for (length, count), share in zip(lengths.items(), shares, strict=True)
    )
    text = f"{write_count(total)} paths from the inputs to the outputs, by the number of {what} they pass through."
    columns = ("length", "paths", "share")
    return Plot("paths", "Paths by length", text, _write(figure, "paths", {}), columns, rows)


def _plot_signal(graph: Graph, report: Report) -> Plot | None:
    if report.variance is None:
        return None
    place = {id: number for number, id in enumerate(graph.nodes)}
    rows = report.variance.nodes
    forward = _list_points((place[row.id], row.second_moment) for row in rows)
    backward = _list_points((place[row.id], row.gradient_second_moment) for row in rows)
    if not forward:
        return None
    figure, axes = _new_axes()
    use_log_scale(axes)
    points = {"forward": _draw_curve(axes, forward, ONE, "forward")}
    if backward:
        points["backward"] = _draw_curve(axes, backward, TWO, "backward")
    axes.set_xlabel("node, in the order of computation")
    axes.set_ylabel("second moment")
    _explain(axes, (ONE, "values"), (TWO, "gradient"))
    shown = {number for numbers in points.values() for number in numbers}
    table = tuple(
        PlotRow(
            (row.id, _short(row.mean), _short(row.second_moment), _short(row.gradient_second_moment)), place[row.id]
        )
        for row in rows
        if place[row.id] in shown
    )
    text = "Second moment of the values, and of the gradient, at initialization, predicted for inputs of unit variance."
    svg = _write(figure, "signal", {}, points)
    return Plot("signal", "Signal at initialization", text, svg, ("node", "mean", "second moment", "gradient's"), table)


def _plot_memory(graph: Graph, report: Report) -> Plot | None:
    if report.memory is None:
        return None
    place = {id: number for number, id in enumerate(graph.nodes)}
    steps = [(place[moment.node], moment.bytes) for moment in report.memory.inference.timeline]
    figure, axes = _new_axes()
    unit, size = _choose_unit(max(live for _, live in steps))
    axes.fill_between([x for x, _ in steps], [live / size for _, live in steps], step="mid", color=FAINT)
    shown = _draw_curve(axes, [(x, live / size) for x, live in steps], ONE, "live", step=True)
    axes.set_xlabel("node, in the order of computation")
    axes.set_ylabel(f"live at inference, {unit}")
    axes.set_ylim(bottom=0)
    kept = dict(steps)
    names = list(graph.nodes)
    rows = tuple(PlotRow((names[number], f"{kept[number]:,}"), number) for number in shown)
    batch = "one sample" if report.memory.batch == 1 else f"{report.memory.batch} samples"
    precision = report.memory.precision
    text = f"Bytes of the values that live while each node is computed at inference, for {batch}, {precision}."
    return Plot(
        "memory", "Memory over time", text, _write(figure, "memory", {}, {"live": shown}), ("node", "bytes"), rows
    )


def _plot_fields(graph: Graph, report: Report) -> Plot | None:
    field = report.receptive_field
    if field is None:
        return None
    sizes: list[tuple[int, float]] = []
    for number, id in enumerate(graph.nodes):
        seen = max((max(one.size, default=0) for one in field.of(id)), default=0)
        sizes += [(number, seen)] if seen else []
    if not sizes or max(size for _, size in sizes) < 2:
        return None
    figure, axes = _new_axes()
    shown = _draw_curve(axes, sizes, ONE, "size")
    axes.set_xlabel("node, in the order of computation")
    axes.set_ylabel("input positions along an axis")
    names, known = list(graph.nodes), dict(sizes)
    rows = tuple(PlotRow((names[number], f"{known[number]:,.0f}"), number) for number in shown)
    text = "How many input positions along an axis one position of a node's result sees, as if the input had no ends."
    svg = _write(figure, "field", {}, {"size": shown})
    return Plot("field", "Receptive field", text, svg, ("node", "size"), rows)


# -- what they share -------------------------------------------------------------------------------------------------


def _new_axes(height: float = 2.9) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(6.4, min(height, 12)), layout="constrained")
    return figure, figure.add_subplot()


def _explain(axes: Axes, *pairs: tuple[str, str]) -> None:
    """A legend above the plot, of words in their colours."""
    for i, (colour, text) in enumerate(pairs):
        axes.text(0.18 * i, 1.03, f"■ {text}", color=colour, transform=axes.transAxes, ha="left", va="bottom")


def _draw_curve(
    axes: Axes, points: Sequence[tuple[int, float]], colour: str, name: str, *, step: bool = False
) -> list[int]:
    """A line through all points, and marks on some of them; the nodes' numbers of these."""
    draw: Callable[..., Any] = axes.step if step else axes.plot
    draw(*zip(*points, strict=True), color=colour, **({"where": "mid"} if step else {}))
    every = -(-len(points) // MAX_POINTS)
    kept = points[::every]
    xs, ys = [x for x, _ in kept], [y for _, y in kept]
    marks = axes.scatter(xs, ys, s=9, color=colour, zorder=3, clip_on=False)
    marks.set_gid(name)
    return [number for number, _ in kept]


def _list_points(points: Iterable[tuple[int, float | None]]) -> list[tuple[int, float]]:
    """List the points that a logarithmic scale can show."""
    return [(x, y) for x, y in points if y is not None and 1e-300 < y < 1e300]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _choose_unit(most: float) -> tuple[str, int]:
    units = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))
    return next(((unit, size) for unit, size in units if most >= size), ("bytes", 1))


# -- SVG for a page --------------------------------------------------------------------------------------------------


def _write(
    figure: Figure,
    id: str,
    marks: Mapping[str, tuple[str, str]],
    points: Mapping[str, Iterable[int]] | None = None,
) -> str:
    """The figure's SVG for a page. `marks` are attributes for what has a gid; `points` are the nodes of the marks of
    the curves by their gid."""
    root = ElementTree.fromstring(save(figure))
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    for outer in list(root.iter()):
        for element in [one for one in outer if one.tag.endswith(("metadata", "style"))]:
            outer.remove(element)
    for shape in root.findall(f".//{{{SVG}}}defs/{{{SVG}}}path"):
        shape.attrib.pop("style", None)  # a mark looks as what uses it says
    for element in root.iter():
        _link(element, marks, points or {})
    for element in root.iter():
        _rename(element, id)
        _restyle(element)
    root.set("aria-hidden", "true")
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK[1:-5])
    return ElementTree.tostring(root, encoding="unicode")


def _link(
    element: ElementTree.Element, marks: Mapping[str, tuple[str, str]], points: Mapping[str, Iterable[int]]
) -> None:
    gid = element.get("id", "")
    if gid in marks:
        element.set(*marks[gid])
    if gid in points:
        uses = [use for use in element.iter() if use.tag.endswith("use")]
        for use, number in zip(uses, points[gid], strict=True):
            use.set("data-n", str(number))


def _rename(element: ElementTree.Element, id: str) -> None:
    """Make names of this figure differ from those of the others in the page."""
    for name, value in list(element.attrib.items()):
        if name == "id":
            element.set(name, f"{id}-{value}")
        elif name == XLINK:
            del element.attrib[name]
            element.set("href", f"#{id}-{value[1:]}")
        elif "url(#" in value:
            element.set(name, value.replace("url(#", f"url(#{id}-"))


def _restyle(element: ElementTree.Element) -> None:
    """Put the rules of a `style` into attributes, which a strict page allows, and its colours into classes."""
    rules = dict(re.findall(r"([\w-]+):\s*([^;]+)", element.attrib.pop("style", "")))
    font = re.match(r"([\d.]+)px", rules.pop("font", ""))
    classes = []
    for name, value in rules.items():
        if name in ("fill", "stroke") and value in ROLES:
            classes.append(f"{name[0]}-{ROLES[value]}")
        elif name != "font-family":
            element.set(name, value)
    if font:
        element.set("font-size", font[1])
    if classes:
        element.set("class", " ".join(classes))
