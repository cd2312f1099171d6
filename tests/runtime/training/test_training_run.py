"""A spec, a data set and a recipe become a run; a graph, or no folder, stays in memory."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

import archspec
from archspec.api import elaborate, load, train
from archspec.errors import InputError
from runtime.recipes.document import read_recipe
from runtime.recipes.optimization import Sgd
from runtime.recipes.recipe import Recipe
from runtime.training import batch_search
from runtime.training.run_folder import CHECKPOINTS, RECIPE, WEIGHTS
from runtime.training.training_run import TrainingChoices, search_rate
from runtime.weights.safetensors_file import load_weights
from tests.support.folders import write_class_folders

SPEC = load("resnet_digits", {"widths": [4, 4, 4], "depths": [1, 1, 1]})
SHORT = Recipe(epochs=1, batch=500, threads=1)


def test_a_graph_and_a_spec_learn_the_same(tmp_path: Path) -> None:
    """In memory and into a folder, where the weights are read back."""
    graph = elaborate(SPEC, {"H": 8, "W": 8})
    first, second = train(graph, "digits", SHORT), train(SPEC, "digits", SHORT)
    third = train(SPEC, "digits", SHORT, folder=tmp_path / "run")
    read, _ = load_weights(tmp_path / "run" / WEIGHTS)
    for name, value in first.state.items():
        assert torch.equal(value, second.state[name])
        assert torch.equal(value, third.state[name])
        assert np.array_equal(value.numpy(), read[name])
    with pytest.raises(InputError, match="a graph has no text to keep in a `folder`"):
        train(graph, "digits", SHORT, folder=tmp_path / "other")


class Rows(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """A person's own data set, of tensors."""

    def __init__(self, count: int) -> None:
        self.labels = torch.arange(count) % 3

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        image = torch.zeros(1, 8, 8)
        image[0, self.labels[index]] = 1
        return image, int(self.labels[index])


def test_a_persons_own_data_set_is_learned() -> None:
    data = archspec.Dataset("mine", Rows(96), Rows(30), ("a", "b", "c"), archspec.Preprocess(1, (8, 8), (0.1,), (0.3,)))
    spec = load("resnet_digits", {"widths": [4, 4, 4], "depths": [1, 1, 1], "classes": 3})
    result = train(spec, data, Recipe(epochs=4, batch=16, threads=1))
    assert result.test_scores["accuracy"] == 1.0


def test_what_was_found_stands_in_the_runs_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_search, "read_free_memory", lambda: 1 << 34)
    recipe = Recipe(epochs=1, batch="auto", precision="auto", memory_format="auto", threads=1)
    result = train(SPEC, "digits", recipe, folder=tmp_path / "run")
    stored = read_recipe(tmp_path / "run" / RECIPE)
    assert stored == result.recipe
    assert stored.batch == 128
    again = train(SPEC, "digits", recipe, folder=tmp_path / "run", resume="auto")  # which takes what is there
    assert again.recipe == stored


def test_the_command_that_goes_on_is_one() -> None:
    choices = TrainingChoices(max_nodes=200_000, words=["--allow a.py:A"])
    words = shlex.split(choices.write_command(Path("-my run"), "cifar10:dir"))
    assert words[:3] == ["archspec", "train", "./-my run/spec.yaml"]
    assert words[-6:] == ["-o", "./-my run", "--max-nodes", "200000", "--allow", "a.py:A"]
    assert words[words.index("--resume") :][:2] == ["--resume", "auto"]


def test_a_rate_is_searched_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = search_rate(SPEC, "digits", Recipe(batch=32, threads=1), TrainingChoices())
    assert 1e-4 < found.steepest < 1
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_hold_no_pickle(tmp_path: Path) -> None:
    train(SPEC, "digits", SHORT, folder=tmp_path / "run")
    names = {path.suffix for path in (tmp_path / "run" / CHECKPOINTS).rglob("*") if path.is_file()}
    assert names == {".safetensors", ".json"}


def test_how_many_images_are_read_is_heard(tmp_path: Path) -> None:
    """While a folder is measured, and while its images are kept for all epochs."""
    write_class_folders(tmp_path / "data", {"a": 6, "b": 6}, (12, 12))
    heard: list[tuple[int, int]] = []
    recipe = Recipe(epochs=1, batch=4, threads=1)
    spec = archspec.load("resnet_digits", params={"depths": [1, 1, 1], "widths": [2, 2, 2]})
    train(spec, str(tmp_path / "data"), recipe, on_read=lambda done, of: heard.append((done, of)))
    assert heard
    assert all(0 <= done <= of for done, of in heard)
    assert any(done == of for done, of in heard)


def test_a_run_does_not_lie_among_the_data(tmp_path: Path) -> None:
    data = write_class_folders(tmp_path / "data", {"a": 6, "b": 6}, (12, 12))
    before = sorted(path.name for path in data.rglob("*"))
    for folder in (data, data / "run"):
        with pytest.raises(InputError, match="the run would lie among the data"):
            train(load("resnet_digits"), str(data), Recipe(steps=1, batch=4), folder=folder)
    assert sorted(path.name for path in data.rglob("*")) == before


def test_a_rate_that_is_far_too_high_is_told_in_words(tmp_path: Path) -> None:
    recipe = Recipe(steps=3, batch=400, optimizer=Sgd(lr=1e30), threads=1)
    spec = load("resnet_digits", {"depths": [1, 1, 1], "widths": [2, 2, 2]})
    with pytest.raises(InputError, match=r"at step 2 of 3 .*try a learning rate below 1e\+30"):
        train(spec, "digits", recipe, folder=tmp_path / "run")


def test_a_picture_of_the_users_stays(tmp_path: Path) -> None:
    (tmp_path / "samples.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"samples\.png is there already"):
        train(load("resnet_digits"), "digits", Recipe(steps=1, batch=400, threads=1), folder=tmp_path)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("samples.png", b"mine")]
