"""A figure of matplotlib as a file: names for readers of the screen, ink by the ground, text as text."""

from __future__ import annotations

import sys
from typing import Any
from xml.etree import ElementTree

import pytest

from archspec.errors import MissingExtra
from compiler.draw.plotting import DARK_INK, INK, draw_file, use_log_scale, write_power

SVG = "{http://www.w3.org/2000/svg}"


def plot(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="$x$ & 層")
    axes.set_xlabel("depth")
    figure.legend()


def test_a_file_says_what_it_is() -> None:
    pytest.importorskip("matplotlib")
    svg = draw_file((4, 3), "a <title>", "what & how", plot)
    root = ElementTree.fromstring(svg)
    assert (root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")) == ("a <title>", "what & how")
    texts = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert {"a <title>", "depth", "$x$ & 層"} <= {*texts}
    assert (svg.count(INK), svg.count(DARK_INK)) == (1, 1)
    assert "currentColor" in svg
    assert not [word for word in ("<metadata", "dc:date", "<!DOCTYPE") if word in svg]
    assert draw_file((4, 3), "a <title>", "what & how", plot) == svg


def test_another_figure_is_another_file() -> None:
    """The control of equal bytes."""
    pytest.importorskip("matplotlib")
    files = {draw_file((4, 3), title, "what", plot) for title in ("one", "other")}
    assert len(files) == 2


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"matplotlib is not installed; run: pip install '.*\[pictures\]'"):
        draw_file((4, 3), "title", "what", plot)


def test_powers_of_ten_are_plain_text() -> None:
    assert [write_power(10.0**power) for power in (-12, 0, 3)] == ["10⁻¹²", "10⁰", "10³"]
    pytest.importorskip("matplotlib")

    def plot_powers(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [1e-3, 1e2])
        use_log_scale(axes)

    def plot_theirs(figure: Any) -> None:
        plot_powers(figure)
        figure.axes[0].set_yscale("log")  # which has its own labels again

    ours, theirs = (draw_file((4, 3), "a", "b", draw) for draw in (plot_powers, plot_theirs))
    assert "10⁻²" in ours
    assert "mathdefault" not in ours
    assert "mathdefault" in theirs  # the control
