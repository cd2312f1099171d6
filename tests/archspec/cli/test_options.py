"""Options that commands share. All options of all commands are frozen in `options.txt`: scripts depend on them.

`python -m tests.archspec.cli.test_options` writes the file anew.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from archspec.bounds import MAX_WHOLE
from archspec.cli.options import MEANINGS, on_threads, parse_params, parse_share, parse_sizes, read_batch, refusing
from archspec.errors import ArchspecError
from runtime.data.known import KNOWN
from runtime.data.registry import DATASETS
from runtime.tasks.registry import TASKS
from tests.support.commands import NAMES, find_command

FROZEN = Path(__file__).with_name("options.txt")


def list_options() -> Iterator[tuple[str, Any]]:
    """Each command with each of its options."""
    for name in NAMES:
        for param in find_command(name.split())[0].params:
            if param.param_type_name == "option" and "--help" not in param.opts:
                yield name, param


def write_options() -> str:
    """A line for each: the command, its words, what stands behind them, and whether it may be repeated."""
    rows = []
    for name, param in list_options():
        words = "/".join([*param.opts, *param.secondary_opts])
        taken = "" if param.is_flag else f" {param.metavar or 'VALUE'}"
        rows.append(f"{name} {words}{taken}{' (repeats)' if param.multiple else ''}")
    return "\n".join(sorted(rows)) + "\n"


def read_meaning(param: Any) -> str:
    """The help text without what it says of one command, in brackets at its end."""
    return re.sub(r" \([^()]*\)\.?$", "", str(param.help)).rstrip(".")


def test_options_are_frozen() -> None:
    assert write_options().splitlines() == FROZEN.read_text(encoding="utf-8").splitlines()


def test_a_batch_has_one_bound_in_all_commands_which_the_parser_tells() -> None:
    options = {name: param for name, param in list_options() if "--batch" in param.opts and name != "train"}
    assert set(options) >= {"analyze", "bench", "report", "tune", "verify"}
    assert {(param.min, param.max) for param in options.values()} == {(1, MAX_WHOLE)}
    assert [read_batch(text) for text in ("1", str(MAX_WHOLE), "auto")] == [1, MAX_WHOLE, "auto"]  # train's
    for text in ("0", str(MAX_WHOLE + 1), "-1", "1.5", "Auto", "", "9" * 5000):
        with pytest.raises(typer.BadParameter, match="it is a whole number from 1 to"):
            read_batch(text)


@pytest.mark.parametrize(
    ("command", "option", "names"), [("run", "--task", [*TASKS, "raw"]), ("train", "--data", [*DATASETS, *KNOWN])]
)
def test_a_help_names_all_that_is_registered(command: str, option: str, names: list[str]) -> None:
    """The help is a literal: the registries need numpy, which `--help` does not load."""
    (text,) = (param.help for name, param in list_options() if name == command and option in param.opts)
    assert f"{', '.join(names[:-1])} or {names[-1]}" in text
    assert f"{', '.join(names)} or another" not in text, "the control: with one more the help must change"


def test_one_name_has_one_meaning() -> None:
    texts: dict[str, set[str]] = defaultdict(set)
    for _, param in list_options():
        texts[param.opts[0]].add(read_meaning(param))
    assert {name: found for name, found in texts.items() if len(found) > 1} == {}
    shared = {name for name in texts if name in MEANINGS}
    assert shared == set(MEANINGS)
    assert {name: texts[name] for name in shared} == {name: {MEANINGS[name]} for name in shared}


def test_one_meaning_has_one_name() -> None:
    names: dict[str, set[str]] = defaultdict(set)
    for _, param in list_options():
        names[read_meaning(param)].add(param.opts[0])
    assert {text: sorted(found) for text, found in names.items() if len(found) > 1} == {
        "For A alone": ["--set-a", "--size-a"],
        "For B alone": ["--set-b", "--size-b"],
    }


def test_pairs() -> None:
    assert parse_params(["classes=5", "widths=[1,2]", "name=true"]) == {"classes": 5, "widths": [1, 2], "name": True}
    assert parse_sizes(["H=96", "W=7"]) == {"H": 96, "W": 7}
    for wrong in (["H"], ["H="], ["=3"], ["H=0"], ["H=-1"], ["H=1.5"], ["H=２"], [f"H={2**31}"]):
        with pytest.raises(typer.BadParameter):
            parse_sizes(wrong)


def test_shares() -> None:
    shares = {"1%": 0.01, "0.01": 0.01, "0": 0, "0.5%": 0.005, "12.5%": 0.125, "99.9%": 0.999}
    assert {text: parse_share(text, "--max-drop") for text in shares} == shares
    for text in ("100%", "1", "-1%", "1e-2", "nan", "", "%", "1 %", "9" * 5000):
        with pytest.raises(typer.BadParameter, match="--max-drop is a share below 1"):
            parse_share(text, "--max-drop")


def test_mistakes_of_one_kind_are_wrong_usage() -> None:
    class WrongUsageError(ArchspecError):
        pass

    with pytest.raises(typer.BadParameter, match="--fits: too large"), refusing(WrongUsageError, "--fits"):
        raise WrongUsageError("too large")
    with pytest.raises(ArchspecError, match="no file"), refusing(WrongUsageError):
        raise ArchspecError("no file")


def test_threads_are_those_of_torch_and_of_sessions() -> None:
    import torch

    from runtime.session.machine import limit_threads

    before = torch.get_num_threads(), limit_threads()
    with on_threads(before[0] + 1):
        assert (torch.get_num_threads(), limit_threads()) == (before[0] + 1, before[0] + 1)
        with on_threads(None):
            assert (torch.get_num_threads(), limit_threads()) == (before[0] + 1, before[0] + 1)
        with on_threads(3, torch=False):
            assert (torch.get_num_threads(), limit_threads()) == (before[0] + 1, 3)
    assert (torch.get_num_threads(), limit_threads()) == before


if __name__ == "__main__":
    FROZEN.write_text(write_options(), encoding="utf-8")
