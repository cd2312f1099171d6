"""The curve of a learning rate range test as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archspec.files import write_text
from compiler.draw.plotting import HUES, draw_file, write_power
from runtime.training.rate_search import RangeTest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_rates(found: RangeTest, path: str | Path) -> None:
    """Write the picture of a range test: the smoothed loss over the rate, and where the suggested rates lie. Raises
    InputError where it cannot be written, and MissingExtra without matplotlib."""
    lowest = f"it is lowest at {found.lowest:.2g}, of which a tenth is {found.tenth:.2g}"
    described = f"the loss falls most steeply at {found.steepest:.2g}; {lowest}"
    write_text(path, draw_file((7, 4), "Loss by learning rate", described, lambda figure: _plot(figure, found)))


def _plot(figure: Figure, found: RangeTest) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color=HUES[0], linewidth=1.6)
    for rate, name, hue in ((found.steepest, "steepest", HUES[1]), (found.tenth, "a tenth of the lowest's", HUES[2])):
        axes.axvline(rate, color=hue, linestyle="--", linewidth=1.2, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: write_power(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="learning rate", ylabel="loss, smoothed")
    axes.legend()
