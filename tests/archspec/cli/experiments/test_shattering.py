"""The command shattering."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from archspec.cli.experiments.shattering import split_variant
from tests.support.commands import archspec

FIGURE = str(Path(__file__).parents[4] / "docs/analysis/figure_11_3.yaml")


def test_shattering(tmp_path: Path) -> None:
    picture = tmp_path / "new" / "curves.svg"
    words = ("shattering", f"{FIGURE}:layers=1,width=40", f"{FIGURE}:layers=12,width=40", "--seeds", "3")
    more = ("--points", "33", "--span", "2", "--set", "inputs=10", "--threads", "1")
    rows = archspec(*words, *more, "--json", "-o", picture)
    assert [row["name"] for row in rows] == [
        "figure_11_3 layers=1 width=40",
        "figure_11_3 layers=12 width=40",
    ]
    assert rows[0]["inputs"] == 10
    assert rows[0]["distances"][-1] == 1
    assert rows[0]["correlation"][8] > rows[1]["correlation"][8] + 0.2
    assert "figure_11_3 layers=12" in ElementTree.parse(picture).findtext("{*}desc", "")
    text = archspec(*words, *more)
    assert "beyond" in text
    assert "root mean square" in text


def test_a_spec_may_stand_with_its_params() -> None:
    assert split_variant("resnet18") == ("resnet18", [], "resnet18")
    assert split_variant("a/net.yaml:depths=[1,2],width=3") == (
        "a/net.yaml",
        ["depths=[1,2]", "width=3"],
        "net depths=[1,2] width=3",
    )
    assert split_variant("C:\\nets\\net.yaml")[0] == "C:\\nets\\net.yaml"
    assert split_variant("C:\\nets\\net.yaml:n=1")[:2] == ("C:\\nets\\net.yaml", ["n=1"])
