"""What a spec expects of its network, held against its analysis, at the place where it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from archspec.cli.main import app
from archspec.spec.load import load
from compiler.analysis.check import check, check_expectations
from compiler.elaborate.elaborate import elaborate
from tests.archspec.spec.texts import unmarked, write

SPEC = """\
archspec: 1
params: {classes: 10}
inputs: {image: [3, H, W]}
sizes: {H: 32, W: 32}
network: [conv: {out: 16, stride: 2}, global_avg_pool, flatten, linear: classes]
"""


@pytest.mark.parametrize(
    "condition", ["params == 618", "params <= 0.7k", "macs < 200k", "output == [10]", "nodes.count == 5"]
)
def test_what_holds_is_not_told(tmp_path: Path, condition: str) -> None:
    assert check(write(tmp_path, f"{SPEC}expect: ['{condition}']\n")) == ()


@pytest.mark.parametrize(
    ("condition", "code", "message"),
    [
        ("params <= 600", "unmet-expectation", "the network should have params <= 600, and has 618"),
        ("output == [11]", "unmet-expectation", "the network should have output == [11], and has 10"),
        ("output == [10, 1]", "bad-expectation", "compares 1 numbers with 2"),
        ("output == []", "bad-expectation", "'' is no number"),
        ("prams <= 600", "bad-expectation", "did you mean"),
        ("params 600", "bad-expectation", "a condition is KEY"),
        ("params <= 6Q", "bad-expectation", "'6Q' is no number"),
    ],
)
def test_what_does_not_hold_is_told_at_its_line(tmp_path: Path, condition: str, code: str, message: str) -> None:
    text, marks = unmarked(f"{SPEC}expect:\n  - params == 618\n  - ▸{condition}\n".replace(": [", ": ["))
    (mistake,) = check(write(tmp_path, text.replace(condition, f"'{condition}'")))
    assert (mistake.code, [(mistake.place.line, mistake.place.column)]) == (code, marks)
    assert message in mistake.message


def test_other_params_and_sizes_are_not_held_against_it(tmp_path: Path) -> None:
    path = write(tmp_path, SPEC + "expect: ['output == [11]']\n")
    assert len(check(path)) == 1
    assert check(path, params={"classes": 5}) == ()
    assert check(path, sizes={"H": 64}) == ()
    variant = write(tmp_path, "archspec: 1\nextends: spec\nparams: {classes: 11}\n", "variant.yaml")
    assert check(variant) == ()
    own = write(tmp_path, "archspec: 1\nextends: spec\nexpect: ['output == [11]']\n", "own.yaml")
    assert [mistake.place.line for mistake in check(own)] == [3]
    assert check_expectations(elaborate(load(path)), None) == ()


def test_what_is_wrong_in_a_list_of_expectations(tmp_path: Path) -> None:
    for written, code in (("3", "wrong-type"), ("[3]", "wrong-type"), ("['a\\nb']", "unmet")):
        (mistake,) = check(write(tmp_path, f"{SPEC}expect: {written}\n"))
        assert mistake.code == code or code == "unmet"


@pytest.mark.parametrize("command", ["check", "lint"])
def test_commands_fail_where_it_is_unmet(tmp_path: Path, command: str) -> None:
    path = write(tmp_path, SPEC + "expect: [params <= 600]\n")
    done = CliRunner().invoke(app, [command, str(path)])
    assert (done.exit_code, "unmet-expectation" in done.output) == (1, True)
    path.write_text(path.read_text().replace("600", "700"))
    assert CliRunner().invoke(app, [command, str(path)]).exit_code == 0
