"""The page in a real browser, headless Chromium, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.reports import write_report

pytest.importorskip("matplotlib", reason="the extra `pictures` is not installed")

Page = Any


class Opened:
    """A page, what it asked for, and what it complained of."""

    def __init__(self, browser: Any, file: Path, **options: Any) -> None:
        self.context = browser.new_context(offline=True, reduced_motion="reduce", **options)
        self.page: Page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(file.as_uri())

    def __enter__(self) -> Page:
        return self.page

    def __exit__(self, *_: object) -> None:
        self.context.close()
        assert self.complaints == []
        assert len(self.requests) == 1, "nothing but the file itself is asked for"


def panel(page: Page) -> str:
    return str(page.inner_text("#numbers")).replace("\u200b", "")


def box(page: Page, title: str) -> Any:
    return page.locator("button.leaf", has_text=title).first


@pytest.mark.parametrize(
    "name", ["resnet50", "hourglass2", "hostile", pytest.param("preresnet1001", marks=pytest.mark.slow)]
)
def test_page_loads_without_a_network_and_without_complaints(name: str, browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, name)) as page:
        assert page.locator(".wires path").count() > 4
        assert page.locator("figure svg").count() >= 2


def test_a_click_on_a_block_shows_its_numbers(browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "resnet50")) as page:
        box(page, "conv 7×7, 64, /2").click()
        assert {"9,536", "118,013,952", "64×112×112"} <= set(panel(page).split())
        page.locator("summary", has_text="repeat_0.bottleneck_0 ×2").first.click()
        assert "repeat_0.bottleneck_0 ×2" in panel(page)
        assert "140,800" in panel(page)  # two bottlenecks of 70,400 parameters


def test_blocks_open_and_close_by_mouse_and_keyboard(browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "resnet50")) as page:
        block = page.locator("details.block:not([open])").first
        number = block.get_attribute("data-b")
        block = page.locator(f"#b{number}")
        wires = page.locator(f"#b{number} > .body > .wires path")
        assert wires.count() == 0
        block.locator("summary").first.click()
        assert block.get_attribute("open") is not None
        assert wires.count() > 0
        block.locator("summary").first.press("Enter")
        assert block.get_attribute("open") is None
        page.click("#open")
        assert page.locator("details.block:not([open])").count() == 0
        page.click("#close")
        assert page.locator("details.block[open]").count() == 0


def test_wires_end_at_their_boxes(browser: Any, folder: Path) -> None:
    """Of everything open, each wire starts or ends within a pixel of an edge of a box or of the block."""
    with Opened(browser, write_report(folder, "resnet50")) as page:
        page.click("#open")
        loose = page.evaluate("""() => {
          let loose = 0, all = 0;
          for (const body of document.querySelectorAll(".body")) {
            const at = measure(body);
            for (const run of DATA.wires[body.dataset.w].runs) {
              const way = findWay(run, at, DATA.wires[body.dataset.w]), [x, y] = way.at(-1), end = at.boxes.get(run[1]);
              all += 1;
              if (end && !(y >= end.top - 1 && y <= end.bottom && Math.abs(x - end.middle) < 60)) loose += 1;
              for (let i = 1; i < way.length; i++) if (way[i][1] < way[i - 1][1] - 0.5) loose += 1;
            }
          }
          return [loose, all];
        }""")
        assert loose[0] == 0
        assert loose[1] > 80


def test_search_finds_a_node_and_opens_the_way_to_it(browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "resnet50")) as page:
        page.fill("#search", "i3.repeat_0.i1 conv 512×7×7")
        assert page.inner_text("#count") == "2 found"
        page.press("#search", "Enter")
        assert "repeat_0.i3.repeat_0.i1.bottleneck_0.residual_0.body.conv_0" in panel(page)
        chosen = page.locator("button.leaf.on")
        assert chosen.count() == 1
        assert chosen.is_visible()
        assert page.evaluate("document.activeElement.classList.contains('leaf')")
        page.fill("#search", "nothing like it")
        assert page.inner_text("#count") == "0 found"


def test_plots_lists_and_graph_choose_for_each_other(browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "hourglass2")) as page:
        finding = page.locator(".lint button").first
        name = finding.inner_text()
        finding.click()
        assert name in panel(page)
        assert page.locator(".lint li.on").count() >= 1
        assert page.locator("#field-size .on").count() >= 1
        colours = '(one) => getComputedStyle(one)["fill"]'
        assert page.locator("#field-size .on").first.evaluate(colours) == "rgb(191, 57, 137)"
        page.locator("#field-size use").nth(100).dispatch_event("click")
        assert page.locator(".canvas .on").count() == 1
        node = page.locator("#field-size use").nth(100).get_attribute("data-n")
        assert page.evaluate(f"DATA.nodes[{node}]") in panel(page)
        page.locator("#cost-part0-one").dispatch_event("click")
        assert "stage 128×128" in panel(page)
        assert "67,712" in panel(page)  # parameters, as `analyze --cost` has them
        assert page.locator(".plot [data-b].on").count() == 2
        assert page.locator(".canvas button.on").count() > 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_scheme_is_the_reader_s(scheme: str, browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "resnet50"), color_scheme=scheme) as page:
        found = page.evaluate(
            "['html', 'button.leaf.kernel', '.plot text'].map((one, i) =>"
            " getComputedStyle(document.querySelector(one))[['backgroundColor', 'backgroundColor', 'fill'][i]])"
        )
        light = ["rgb(255, 255, 255)", "rgb(201, 224, 255)", "rgb(28, 33, 40)"]
        assert found == (light if scheme == "light" else ["rgb(22, 27, 34)", "rgb(31, 64, 104)", "rgb(230, 237, 243)"])


@pytest.mark.parametrize("name", ["resnet50", "hourglass2", "hostile"])
def test_a_phone_s_width_is_enough(name: str, browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, name), viewport={"width": 375, "height": 700}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        page.click("#open")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375


def test_hostile_names_do_not_run(browser: Any, folder: Path) -> None:
    with Opened(browser, write_report(folder, "hostile")) as page:
        page.click("#open")
        for leaf in page.locator("button.leaf").all():
            leaf.click()
        page.fill("#search", "script")
        page.press("#search", "Enter")
        assert "</script><script>" in panel(page)
        assert page.evaluate("window.hit") is None
        assert page.locator("img").count() == 0
