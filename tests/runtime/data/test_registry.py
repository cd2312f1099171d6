"""Data sets by name: what there is, what is told of a name that is none, and what weights remember of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import DATA, PREPROCESS
from runtime.data.dataset import Dataset
from runtime.data.registry import DATASETS, load_data, load_data_of
from tests.support.without import run_without


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits")


def test_an_unknown_name_lists_what_there_is() -> None:
    message = r"no data set 'digit'; did you mean 'digits'\? \(available: digits, digit_maps, digit_points\)"
    with pytest.raises(ArchspecError, match=message):
        load_data("digit")


def test_a_data_set_has_the_name_it_is_found_under() -> None:
    assert [load_data(name).name for name in DATASETS] == list(DATASETS)


def test_weights_find_the_data_that_they_were_trained_on(digits: Dataset) -> None:
    facts: dict[str, str] = {DATA: "digits", PREPROCESS: digits.preprocess.to_json()}
    assert load_data_of(facts, Path("w")).name == "digits"
    for key in facts:
        with pytest.raises(ArchspecError, match=f"w does not say '{key}': `archspec train` did not write it"):
            load_data_of({name: value for name, value in facts.items() if name != key}, Path("w"))
    other = load_data("digit_maps").preprocess.to_json()
    with pytest.raises(ArchspecError, match="w was trained on other digits: the preprocessing is not the same"):
        load_data_of(facts | {PREPROCESS: other}, Path("w"))


def test_the_names_of_data_sets_and_the_training_loop_need_no_package_of_data() -> None:
    code = "import runtime.data.registry, runtime.training.loop, sys; print('runtime.training.loop' in sys.modules)"
    assert run_without(["sklearn", "PIL"], code) == "True\n"
