"""What is printed of conditions and of fits."""

from __future__ import annotations

from fractions import Fraction

import pytest

from archspec.cli.tables.compare import print_fit, print_verdicts
from compiler.analysis.certainty import at_least
from compiler.analysis.compare.conditions import MarkedNumber, Verdict, parse_condition
from compiler.analysis.compare.fit import FitResult
from compiler.analysis.compare.search import TriedNetwork
from tests.support.tables import read_rows


def judge(text: str, found: int, *, bound: bool = False) -> Verdict:
    mark = at_least("there are unknown operations") if bound else None
    condition = parse_condition(text)
    assert isinstance(condition.bound, Fraction)
    return Verdict(condition, (MarkedNumber(found, condition.path, mark),), (MarkedNumber(condition.bound),))


def test_what_holds_and_what_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    print_verdicts([judge("params <= 25.6M", 25_557_032), judge("params <= 1M", 25_557_032)])
    assert read_rows(capsys) == [
        ["ok", "params <= 25.6M", "25,557,032"],
        ["failed", "params <= 1M", "25,557,032"],
    ]


def test_what_a_bound_does_not_decide_is_open_and_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_verdicts([judge("params <= 30M", 25_557_032, bound=True)])
    printed = capsys.readouterr()
    assert printed.out.split()[0] == "open"
    assert "≥ 25,557,032" in printed.out
    assert "unknown operations" in printed.err


def fits(depth: int, found: int) -> TriedNetwork:
    return TriedNetwork({"depth": depth}, (judge("params <= 1000", found),), found)


def test_the_largest_that_fits_stands_above_the_next_that_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    found = FitResult(fits(3, 900), (fits(4, 1200),), 9, 0, None, complete=False, proven=True)
    print_fit(found, "archspec analyze net --set depth=3", None)
    rows = read_rows(capsys)
    assert [row for row in rows if row[-1] in ("fits", "too large")] == [
        ["3", "900", "fits"],
        ["4", "1,200", "too large"],
    ]
    assert ["9 networks tried, among them every value above it"] in rows
    assert rows[-1] == ["next: archspec analyze net --set depth=3"]


@pytest.mark.parametrize(("proven", "says"), [(True, "none fits"), (False, "none that was tried fits")])
def test_where_none_fits_that_is_said(proven: bool, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_fit(FitResult(None, (fits(4, 1200),), 1, 2, "no network", False, proven, grows=True), "next command", None)
    text = capsys.readouterr().out
    assert f"\n{says}\n" in text
    assert "values without a network: 2, such as no network" in text
    assert ("is not proven, but the numbers of all that were tried grow" in text) == (not proven)
    assert "next:" not in text
