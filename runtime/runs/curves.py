"""The curves of runs as SVG: loss, score, learning rate and gradient by step; text as text, on light and dark
ground."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from archspec.errors import InputError
from archspec.wording import cut, cut_middle
from compiler.draw.plotting import HUES, draw_file, use_log_scale
from runtime.runs.record import PARTS, RunRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: Mapping[str, Any] = {"training": "-", "test": (0, (5, 2)), "validation": (0, (1, 1.5))}

MAX_POINTS = 2_000
"""The largest number of points of a curve; of more, the means of equal pieces are drawn."""

MAX_RUNS = 24
"""The largest number of runs in one picture."""

MAX_LETTERS = 48
"""The largest number of letters of a run's name in a picture."""


@dataclass(frozen=True)
class RunCurve:
    """A line: which part of the data it speaks of, and its points by step."""

    part: str
    steps: Sequence[float]
    values: Sequence[float]


def draw_curves(runs: Sequence[RunRecord]) -> str:
    """Draw the text of an SVG with a panel for each figure that a run has, a colour for each run, and a dash for each
    part of the data.

    Raises InputError where the runs tell of no step, or are too many, and MissingExtra without matplotlib.
    """
    if len(runs) > MAX_RUNS:
        raise InputError(f"a picture has at most {MAX_RUNS} runs, not {len(runs)}")
    metrics = dict.fromkeys(run.metric for run in runs if run.metric)
    panels: list[tuple[str, Callable[[RunRecord], list[RunCurve]], bool]] = [("loss", _find_losses, True)]
    panels += [(metric.replace("_", " "), partial(_find_scores, metric=metric), False) for metric in metrics]
    panels += [("learning rate", partial(_find_steps, name="learning_rate"), False)]
    panels += [("gradient norm", partial(_find_steps, name="gradient_norm"), True)]
    panels += [("update ratio", partial(_find_steps, name="update_ratio"), True)]
    shown = [(title, find, log) for title, find, log in panels if any(find(run) for run in runs)]
    if not shown:
        raise InputError(f"{', '.join(run.name for run in runs[:3])}: there is nothing to draw yet, not one step")
    description = "; ".join(_describe(run) for run in runs)
    title = _label(runs)[0] if len(runs) == 1 else f"{len(runs)} runs"
    rows = -(-len(shown) // 2)
    return draw_file((10, 2.9 * rows + 0.6), title, description, lambda figure: _plot(figure, runs, shown))


def _plot(
    figure: Figure,
    runs: Sequence[RunRecord],
    panels: Sequence[tuple[str, Callable[[RunRecord], list[RunCurve]], bool]],
) -> None:
    places = figure.subplots(-(-len(panels) // 2), 2, squeeze=False).ravel()
    for axes, (title, find, log) in zip(places, panels, strict=False):
        parts: dict[str, None] = {}
        for number, run in enumerate(runs):
            for curve in find(run):
                parts[curve.part] = None
                _draw(axes, curve, HUES[number % len(HUES)])
        axes.set(xlabel="step", title=title)
        if log and _is_positive(find(run) for run in runs):
            use_log_scale(axes)
        if len(parts) > 1:
            lines = [axes.plot([], [], color="gray", linestyle=DASHES[part], label=part)[0] for part in parts]
            axes.legend(handles=lines)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    if len(runs) > 1:
        names = _label(runs)
        lines = [
            places[0].plot([], [], color=HUES[number % len(HUES)], label=name)[0] for number, name in enumerate(names)
        ]
        figure.legend(handles=lines, loc="outside lower center", ncols=2)


def _draw(axes: Axes, curve: RunCurve, hue: str) -> None:
    marker = "o" if len(curve.steps) < 30 and curve.part != "training" else None
    axes.plot(
        curve.steps, curve.values, color=hue, linestyle=DASHES[curve.part], linewidth=1.6, marker=marker, markersize=3
    )


def _find_losses(run: RunRecord) -> list[RunCurve]:
    return [*_find_steps(run, "loss"), *_find_parts(run, "loss")]


def _find_scores(run: RunRecord, metric: str) -> list[RunCurve]:
    return [*_make("training", run.evaluations, metric), *_find_parts(run, metric)]


def _find_parts(run: RunRecord, name: str) -> Iterator[RunCurve]:
    for part in PARTS:
        yield from _make(part, run.evaluations, f"{part}_{name}")


def _find_steps(run: RunRecord, name: str) -> list[RunCurve]:
    return list(_make("training", run.steps, name))


def _make(part: str, rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[RunCurve]:
    """Make the curve of what some rows have under a name; none where they have nothing."""
    points = [(float(row["step"]), float(row[name])) for row in rows if isinstance(row.get(name), int | float)]
    if points:
        yield RunCurve(part, *map(_thin, zip(*points, strict=True)))


def _thin(values: Sequence[float]) -> list[float]:
    """Take the means of equal pieces of what is longer than a picture shows."""
    size = -(-len(values) // MAX_POINTS)
    pieces = [values[start : start + size] for start in range(0, len(values), size)]
    return [sum(piece) / len(piece) for piece in pieces]


def _is_positive(found: Iterator[list[RunCurve]]) -> bool:
    return all(value > 0 for curves in found for curve in curves for value in curve.values)


def _label(runs: Sequence[RunRecord]) -> list[str]:
    """Call each run by its folder's name, and by the whole path where two have the same."""
    names = [run.folder.name for run in runs]
    named = [name if names.count(name) == 1 else run.name for name, run in zip(names, runs, strict=True)]
    return [cut_middle(name, MAX_LETTERS) for name in named]


def _describe(run: RunRecord) -> str:
    """Tell in words what a run came to, for those who do not see the picture."""
    scores = [
        f"{part} {run.metric} {score:.4f}" for part in PARTS if run.metric and (score := run.score(part)) is not None
    ]
    return f"{cut(run.name, MAX_LETTERS)}: {run.last_step:,} steps{''.join(', ' + score for score in scores)}"
