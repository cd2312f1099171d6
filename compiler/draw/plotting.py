"""Figures of matplotlib as SVG that is legible on light and on dark ground: text as text, the same bytes each time."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from archspec.extras import extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#1c2128"
"""The colour of text and lines; in a file it is `currentColor`, which a style chooses by the ground."""
DARK_INK = "#e6edf3"

HUES = ("#2f81f7", "#d1711c", "#2da44e", "#a05ae0", "#d63a5a", "#7d8590", "#17a2b8", "#b8960c")
"""The colours of lines, one after the other."""

LOOK: Mapping[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "archspec",
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
FILE_LOOK: Mapping[str, Any] = {"font.family": "sans-serif", "font.size": 10, "axes.titlesize": 10}

UNSAID = ("Date", "Creator", "Format", "Type")
"""The metadata that matplotlib would write into a file, and that nobody asks for."""


SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@contextmanager
def looking(look: Mapping[str, Any], ink: str) -> Iterator[None]:
    """Draw with these settings, and with lines and letters in one colour. Raises MissingExtra without matplotlib."""
    with extra("pictures"):
        from matplotlib import rc_context
    inked = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), ink)
    settings: Any = {**LOOK, **inked, **look}  # matplotlib's type lists every key there is
    with rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # of names; whoever looks has other fonts
        yield


def use_log_scale(axes: Any) -> None:
    """Have the y axis of matplotlib's axes be logarithmic, with powers of ten as plain text: its own are TeX, which
    `text.parse_math` turns off for the names that are drawn."""
    from matplotlib.ticker import FuncFormatter, LogFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, place: write_power(value)))
    axes.yaxis.set_minor_formatter(LogFormatter())


def write_power(value: float) -> str:
    """Write a power of ten as `10⁻³`."""
    return f"10{str(round(math.log10(value))).translate(SUPERSCRIPTS)}"


def save(figure: Figure, **how: Any) -> str:
    """Write the SVG of a figure, without facts of its making."""
    data = io.StringIO()
    figure.savefig(data, format="svg", metadata=dict.fromkeys(UNSAID), **how)
    return data.getvalue()


def draw_file(size: tuple[float, float], title: str, description: str, plot: Callable[[Figure], None]) -> str:
    """Draw the text of an SVG file; `size` is in inches of 72 pixels, `plot` draws on the figure. Raises
    MissingExtra."""
    with extra("pictures"):
        from matplotlib.figure import Figure as New
    with looking(FILE_LOOK, INK):
        figure = New(figsize=size, layout="constrained")
        plot(figure)
        figure.suptitle(title, fontsize=12, fontweight="bold")
        return _finish(save(figure, transparent=True), title, description)


def _finish(svg: str, title: str, description: str) -> str:
    """Give a picture names for readers of the screen, and ink that follows the ground."""
    opening, body = re.match(r".*?(<svg[^>]*)>(.*)", svg, re.DOTALL).groups()  # type: ignore[union-attr]
    style = f".measured {{ color: {INK} }} @media (prefers-color-scheme: dark) {{ .measured {{ color: {DARK_INK} }} }}"
    return (
        f'{opening} class="measured" role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{escape(title)}</title>\n<desc id="desc">{escape(description)}</desc>\n'
        f"<style>{style}</style>{body.replace(INK, 'currentColor')}"
    )
