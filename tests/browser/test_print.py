"""The page on paper: the graph is one piece, so that each line ends at its box on whatever sheet that is; and boxes
have their colours without `background graphics`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from compiler.draw.theme import COLOURS
from tests.browser.pdf import Shape, read_layers
from tests.support.reports import write_report

KERNEL = tuple(bytes.fromhex(COLOURS["kernel"][0][1:]))
LINE = tuple(bytes.fromhex("57606a"))


def print_page(browser: Any, html: str, folder: Path, **options: Any) -> tuple[int, list[list[Shape]]]:
    """How many boxes of the kind `kernel` are seen on the screen, and what is printed on A4 without backgrounds."""
    file = folder / "printed.html"
    file.write_text(html, encoding="utf-8")
    context = browser.new_context(offline=True, **options)
    try:
        page = context.new_page()
        page.goto(file.as_uri())
        seen = page.locator("button.leaf.kernel:visible").count()
        return seen, read_layers(page.pdf(format="A4", print_background=False))
    finally:
        context.close()


def count_reached(layers: list[list[Shape]]) -> int:
    """The boxes on whose upper edge an arrow ends."""
    return sum(reaches(layer, box) for layer in layers for box in layer if box.colour == KERNEL)


def reaches(layer: list[Shape], box: Shape) -> bool:
    tips = (shape for shape in layer if shape.colour == LINE and 3 <= len(shape.points) <= 4)
    return any(abs(tip.bottom - box.top) < 2 and box.left < tip.points[0][0] < box.right for tip in tips)


@pytest.mark.parametrize("name", ["resnet_digits", "se_net", "resnet50"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_line_ends_at_its_box_on_paper(name: str, scheme: str, browser: Any, folder: Path) -> None:
    html = write_report(folder, name).read_text(encoding="utf-8")
    seen, layers = print_page(browser, html, folder, color_scheme=scheme)
    assert seen > 1
    assert count_reached(layers) == seen


def test_a_graph_that_is_torn_is_seen(browser: Any, folder: Path) -> None:
    """Without the rule that keeps it in one piece, pages part the lines from their boxes."""
    html = write_report(folder, "se_net").read_text(encoding="utf-8")
    torn = re.sub(r'addEventListener\("beforeprint".*', "", html).replace("http-equiv", "data-was")
    assert torn != html
    seen, layers = print_page(browser, torn, folder, bypass_csp=True)
    assert count_reached(layers) < seen
