"""What experiments measured, as SVG: legible on light and on dark ground, the same bytes each time, text as text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from archspec.arrays import Float64Array
from archspec.wording import cut
from compiler.draw.plotting import HUES, INK, draw_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from runtime.experiments.lesion import Lesion
    from runtime.experiments.shattering import Shattering
    from runtime.experiments.surface import Surface

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))
MARKERS = ("o", "s", "^", "D")

MAX_LETTERS = 60
"""The largest number of letters of a name in a picture."""

MAX_IN_ROW = 4
"""The largest number of surfaces in a row."""
LEVELS = 17
"""The number of contour lines over all surfaces."""
SHOWN = 0.9
"""The share of all losses that the contour lines tell apart."""

LOWEST = 1e-9
"""The part of the highest shown loss below which all losses are of one colour."""


def draw_shattering(results: Sequence[Shattering]) -> str:
    """Draw the correlation by distance, a line for each network, with the deviation over the seeds as a band."""
    halves = ((found.name, found.distance_at(0.5)) for found in results)
    told = "; ".join(f"{_label(name)} {'never' if half is None else f'at {half:.2f}'}" for name, half in halves)
    description = (
        "How alike the gradients of a fresh network's output are at two inputs, by the distance between these; mean "
        f"and standard deviation over fresh networks. The correlation falls to one half: {told}."
    )
    return draw_file((7, 4), "Shattered gradients", description, lambda figure: _plot_shattering(figure, results))


def _plot_shattering(figure: Figure, results: Sequence[Shattering]) -> None:
    axes = figure.subplots()
    for number, found in enumerate(results):
        hue, dash = _pick(HUES, number), _pick(DASHES, number)
        axes.plot(found.distances, found.correlation, color=hue, linestyle=dash, linewidth=2, label=_label(found.name))
        low, high = found.correlation - found.deviation, found.correlation + found.deviation
        axes.fill_between(found.distances, low, high, color=hue, alpha=0.12, linewidth=0)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.set(xlabel="distance between two inputs, root mean square", ylabel="correlation of the gradients")
    axes.set_xlim(0, max(float(found.distances[-1]) for found in results))
    figure.legend(loc="outside lower center", ncols=2)


def draw_surfaces(results: Sequence[Surface]) -> str:
    """Draw contours of the loss, all panels at the same levels."""
    span = float(results[0].steps[-1])
    told = "; ".join(
        f"{_label(found.name)}: {found.centre:.3g} at the centre, {found.mean_at(span):.3g} at the distance {span:g}"
        for found in results
    )
    description = (
        "The loss around trained networks along two random directions whose filters have the norms of the networks' "
        f"own; equal colours are equal losses. {told}."
    )
    rows, columns = -(-len(results) // MAX_IN_ROW), min(len(results), MAX_IN_ROW)
    size = (2.9 * columns + 1.4, 3.2 * rows + 0.7)
    plot = partial(_plot_surfaces, results=results, rows=rows, columns=columns)
    return draw_file(size, "Loss surfaces", description, plot)


def _plot_surfaces(figure: Figure, results: Sequence[Surface], rows: int, columns: int) -> None:
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    levels = choose_levels([found.losses for found in results])
    for found, axes in zip(results, panels.flat, strict=False):
        losses = np.clip(np.nan_to_num(found.losses, nan=levels[-1], posinf=levels[-1]), levels[0], levels[-1])
        filled = axes.contourf(found.steps, found.steps, losses, levels, norm="log", cmap="viridis")
        axes.contour(found.steps, found.steps, losses, levels[1:-1], norm="log", colors="#ffffff", linewidths=0.4)
        axes.plot(0, 0, marker="+", color="#ffffff", markersize=8)
        axes.set_title(f"{_label(found.name)}\nloss {found.centre:.3g} at the centre")
        axes.set_aspect("equal")
        ticks = [-float(found.steps[-1]) / 2, 0, float(found.steps[-1]) / 2]
        axes.set(xticks=ticks, yticks=ticks)
    for axes in panels.flat[len(results) :]:
        axes.set_axis_off()
    figure.supxlabel("first direction, in norms of the filters", fontsize=10)
    figure.supylabel("second direction", fontsize=10)
    bar = figure.colorbar(
        filled, ax=panels, label="loss, or more at the top", ticks=levels[::4], format=lambda loss, _: f"{loss:.3g}"
    )
    bar.minorticks_off()


def choose_levels(surfaces: Sequence[Float64Array]) -> Float64Array:
    """Choose losses for contour lines, equally far apart by ratio, from the lowest to what nine of ten finite ones are
    below: the corners of a steep surface would else take all colours."""
    values = np.concatenate([losses[np.isfinite(losses)] for losses in surfaces])
    high = max(float(np.quantile(values, SHOWN)), LOWEST)
    low = max(float(values.min()), LOWEST * high)
    return np.geomspace(low, high if high > low else 2 * low, LEVELS)


def draw_lesions(results: Sequence[Lesion]) -> str:
    """Draw the score without each part, by its place in the network; hollow where the shape changes at the part."""
    metric = results[0].metric.replace("_", " ")
    told = "; ".join(
        f"{_label(found.name)}: {found.score:.3f} whole, {min(item.score for item in found.removals):.3f} to "
        f"{max(item.score for item in found.removals):.3f} without one part"
        for found in results
    )
    description = (
        f"The {metric} of trained networks from which one part was left out. {told}. Lines across: the whole network; "
        "hollow marks: blocks whose shortcut changes the shape."
    )
    return draw_file((7, 4), "Lesion study", description, lambda figure: _plot_lesions(figure, results, metric))


def _plot_lesions(figure: Figure, results: Sequence[Lesion], metric: str) -> None:
    axes = figure.subplots()
    for number, found in enumerate(results):
        hue, count = _pick(HUES, number), len(found.removals)
        places = [(place + 0.5) / count for place in range(count)]
        scores = [item.score for item in found.removals]
        faces = [(0, 0, 0, 0) if item.stays == "shortcut" else hue for item in found.removals]
        axes.axhline(found.score, color=hue, linestyle=_pick(DASHES, number), linewidth=1)
        axes.plot(places, scores, color=hue, linewidth=0.8, alpha=0.6)
        label = f"{_label(found.name)}, {count} parts"
        axes.scatter(places, scores, marker=_pick(MARKERS, number), edgecolors=hue, facecolors=faces, label=label)
    axes.set(xlabel="place of the part that is left out", ylabel=f"{metric} on held-out images", ylim=(0, 1.03))
    axes.set_xticks([0, 1], ["first", "last"])
    figure.legend(loc="outside lower center", ncols=2)


def _label(name: str) -> str:
    """A name without what no picture can show; matplotlib hides a label that starts with an underscore."""
    shown = cut(name, MAX_LETTERS)
    return f" {shown}" if shown.startswith("_") else shown


def _pick(choices: Sequence[Any], number: int) -> Any:
    return choices[number % len(choices)]
