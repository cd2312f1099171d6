"""Weights find the data that they were trained on, split and prepared as then, and tell when these have changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import ArchspecError, InputError, ModelError
from compiler.onnx_file.metadata import CLASSES, DATA, PREPROCESS, SETTINGS
from runtime.data.adapting import adapt_images
from runtime.data.dataset import Dataset
from runtime.data.opening import open_data
from runtime.data.registry import describe_data, load_data
from runtime.data.reopening import load_data_of
from runtime.recipes.data import DataSection
from tests.support.folders import draw_pixels, save_pixels, write_class_folders


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_data("digits")


def test_weights_find_the_data_that_they_were_trained_on(digits: Dataset) -> None:
    facts: dict[str, str] = {DATA: "digits", PREPROCESS: digits.preprocess.to_json()}
    assert load_data_of(facts, Path("w")).name == "digits"
    for key in facts:
        with pytest.raises(ArchspecError, match=f"w does not say '{key}': `archspec train` did not write it"):
            load_data_of({name: value for name, value in facts.items() if name != key}, Path("w"))
    other = load_data("digit_maps").preprocess.to_json()
    with pytest.raises(ArchspecError, match="w was trained on other digits"):
        load_data_of(facts | {PREPROCESS: other}, Path("w"))


def test_a_folder_is_split_and_prepared_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_class_folders(tmp_path / "data", {"a": 10, "b": 10}, (8, 9))
    section = DataSection(fold="2/5", seed=3, size=[6, 7], resize="letterbox")
    data = adapt_images(open_data("data", section), 3, (6, 7), section)
    facts = describe_data(data) | SETTINGS.write({"data": section.model_dump()})
    monkeypatch.chdir("/")
    again = load_data_of(facts, Path("w"))
    assert again.name == str(tmp_path / "data")
    assert again.preprocess == data.preprocess
    monkeypatch.chdir(tmp_path)
    assert np.array_equal(again.held_out.images, data.held_out.images)
    assert np.array_equal(again.training.labels, data.training.labels)
    other = load_data_of(describe_data(open_data("data")), Path("w"))
    assert not np.array_equal(other.test.indices, data.test.indices), "the control"  # type: ignore[attr-defined]


def test_data_that_have_changed_are_refused(tmp_path: Path) -> None:
    write_class_folders(tmp_path / "data", {"a": 10, "b": 10})
    facts = describe_data(open_data(tmp_path / "data"))
    with pytest.raises(ModelError, match=r"w was trained on other .*data: its 3 classes are not the same"):
        load_data_of(facts | CLASSES.write(("a", "b", "c")), Path("w"))
    save_pixels(tmp_path / "data" / "a" / "new.png", draw_pixels((8, 9, 3)))
    with pytest.raises(ModelError, match=r"w was trained on other .*data: the preprocessing is not the same"):
        load_data_of(facts, Path("w"))
    with pytest.raises(InputError, match=r"no data set '.*gone'"):
        load_data_of(facts | {DATA: str(tmp_path / "gone")}, Path("w"))
    broken = {str(SETTINGS): json.dumps({"data": {"test": 2}})}
    with pytest.raises(
        ModelError, match=r"w: 'archspec\.settings' says of its data what no recipe says: .*`test` of DataSection"
    ):
        load_data_of(facts | broken, Path("w"))
