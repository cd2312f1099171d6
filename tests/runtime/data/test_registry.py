"""Data sets by name: what there is, what is told of a name that is none, and what weights remember of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from runtime.data.registry import DATASETS, load_data, write_word
from tests.support.without import run_without


def test_an_unknown_name_lists_what_there_is() -> None:
    message = r"no data set 'digit'; did you mean 'digits'\? \(available: digits, digit_maps, digit_points\)"
    with pytest.raises(ArchspecError, match=message):
        load_data("digit")


def test_a_data_set_has_the_name_it_is_found_under() -> None:
    assert [load_data(name).name for name in DATASETS] == list(DATASETS)


def test_a_folder_is_written_with_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_word("digits") == "digits"
    assert write_word("./digits") == str(tmp_path / "digits")
    assert write_word("a:b") == str(tmp_path / "a:b")


def test_the_names_of_data_sets_and_the_training_loop_need_no_package_of_data() -> None:
    code = "import runtime.data.registry, runtime.training.loop, sys; print('runtime.training.loop' in sys.modules)"
    assert run_without(["sklearn", "PIL"], code) == "True\n"
