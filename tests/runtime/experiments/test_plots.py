"""Pictures of experiments: well-formed, with names for readers of the screen, and the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from compiler.draw.plotting import INK
from runtime.experiments.lesion import Lesion, Removal
from runtime.experiments.plots import LEVELS, choose_levels, draw_lesions, draw_shattering, draw_surfaces
from runtime.experiments.shattering import Shattering
from runtime.experiments.surface import Surface

SVG = "{http://www.w3.org/2000/svg}"

DISTANCES = np.linspace(0, 2, 9)
CURVE = Shattering("net", 3, 8, 2, 0, DISTANCES, np.exp(-DISTANCES), 0.1 * np.ones(9))
STEPS = np.linspace(-1, 1, 5)
VALLEY = Surface("net", "digits", "train", 8, 0, STEPS, 0.1 + np.add.outer(STEPS**2, STEPS**2))
LESION = Lesion(
    "net", "digits", "accuracy", 9, 0.9, (Removal("a", "identity", 1, 1, 0.8), Removal("b", "shortcut", 1, 1, 0.3))
)
DRAWINGS: list[tuple[Callable[[Any], str], Any]] = [
    (draw_shattering, CURVE),
    (draw_surfaces, VALLEY),
    (draw_lesions, LESION),
]
HOSTILE = ("<script>alert(1)</script>", "$\\frac{1}{0}$", '_"&\x01', "層", "x" * 10_000)


def texts(svg: str) -> list[str]:
    return ["".join(element.itertext()) for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize(("draw", "result"), DRAWINGS, ids=["shattering", "surface", "lesion"])
def test_a_picture_says_what_it_is(draw: Callable[[Any], str], result: Any) -> None:
    svg = draw([result, replace(result, name="other")])
    root = ElementTree.fromstring(svg)
    assert (root.get("role"), root.get("aria-labelledby")) == ("img", "title desc")
    title, description = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert title.text in texts(svg)
    assert description is not None
    assert "net" in str(description.text)
    assert "other" in str(description.text)
    assert any("other" in text for text in texts(svg))
    assert "prefers-color-scheme: dark" in svg
    assert "currentColor" in svg
    assert svg.count(INK) == 1, "the ink is named in the style alone"
    assert not [word for word in ("<metadata", "dc:date", "<!DOCTYPE") if word in svg]
    assert draw([result, replace(result, name="other")]) == svg


@pytest.mark.parametrize(("draw", "result"), DRAWINGS, ids=["shattering", "surface", "lesion"])
@pytest.mark.parametrize("name", HOSTILE, ids=["script", "mathematics", "control", "foreign", "long"])
def test_any_name_can_be_drawn(draw: Callable[[Any], str], result: Any, name: str) -> None:
    """Names are text, and none is hidden or too long."""
    svg = draw([replace(result, name=name)])
    assert "<script>" not in svg
    shown = "".join(texts(svg))
    assert name[:20].replace("\x01", "\\x01") in shown
    assert len(shown) < 1000


def test_surfaces_share_their_levels() -> None:
    high = replace(VALLEY, losses=VALLEY.losses * 100)
    levels = choose_levels([VALLEY.losses, high.losses])
    values = np.concatenate([VALLEY.losses, high.losses]).ravel()
    assert (levels[0], len(levels)) == (pytest.approx(0.1), LEVELS)
    assert levels[-1] == pytest.approx(np.quantile(values, 0.9))
    np.testing.assert_allclose(levels[1:] / levels[:-1], levels[1] / levels[0])


@pytest.mark.parametrize("losses", [np.zeros((5, 5)), np.full((5, 5), 2.0), np.eye(5) * 1e30])
def test_flat_and_steep_surfaces_can_be_drawn(losses: np.ndarray) -> None:
    losses = losses.copy()
    losses[0, 0], losses[4, 4] = np.inf, np.nan
    assert (np.diff(choose_levels([losses])) > 0).all()
    ElementTree.fromstring(draw_surfaces([replace(VALLEY, losses=losses)] * 5))
