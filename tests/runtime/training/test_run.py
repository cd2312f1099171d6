"""A run is opened as it was left, and nothing that is not one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from compiler.onnx_file.metadata import GRAPH, SETTINGS
from compiler.torch_target.module import build_module
from runtime.data.registry import describe_data, load_data
from runtime.training.grids import find_grids, name_strides
from runtime.training.run import Run, check_same_data, describe_training
from runtime.training.run_folder import METRICS, WEIGHTS
from runtime.weights.safetensors_file import load_weights, save_weights
from tests.support.metrics import read_metrics
from tests.support.runs import QUICK, train_digits


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_digits(tmp_path_factory.mktemp("run"))


def test_what_is_opened_measures_what_training_measured(run: Run) -> None:
    """The witness is the last line of the metrics; a network without these weights is the control."""
    measured = read_metrics(run.folder / METRICS)[-1]
    loss, score = run.measure(run.build_module(), run.data.held_out)
    assert run.metric == "accuracy"
    assert loss == pytest.approx(measured["test_loss"], rel=1e-6)
    assert score == measured["test_accuracy"]
    other, _ = run.measure(to_torch(run.graph), run.data.held_out)
    assert other != pytest.approx(loss, rel=1e-2)


def test_weights_say_how_they_were_made(run: Run) -> None:
    facts = describe_training(run.graph, run.data, QUICK, run.grids)
    assert {key: run.metadata[key] for key in facts} == facts
    assert SETTINGS.read(run.metadata) == QUICK.to_dict()
    assert GRAPH.read(run.metadata) == run.graph.digest()
    assert describe_data(run.data).items() < facts.items()
    assert run.stride is None


def test_the_stride_is_that_of_the_last_output() -> None:
    graph = elaborate(load("hourglass1", {"features": 4, "joints": 3}))
    data = load_data("digit_points")
    facts = describe_training(graph, data, QUICK, find_grids(to_torch(graph), data, name_strides(graph)))
    assert Run(Path(), load("hourglass1"), graph, {}, facts, data).stride == 4


def test_a_module_has_the_weights_that_it_is_given(run: Run) -> None:
    moved = {name: array + 1 for name, array in run.weights.items()}
    state = build_module(run.graph, moved).state_dict()
    assert set(state) == set(moved)
    assert all(np.array_equal(state[name], moved[name]) for name in moved)


def test_runs_that_lack_something(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match=r"has no spec\.yaml: run `archspec train` first"):
        Run.open(tmp_path)
    (tmp_path / "spec.yaml").write_bytes((run.folder / "spec.yaml").read_bytes())
    with pytest.raises(ArchspecError, match=r"has no weights\.safetensors"):
        Run.open(tmp_path)
    arrays, metadata = load_weights(run.folder / WEIGHTS)
    save_weights(tmp_path / WEIGHTS, arrays, {})
    with pytest.raises(ArchspecError, match=r"does not say 'archspec\.data'"):
        Run.open(tmp_path)
    save_weights(tmp_path / WEIGHTS, dict(list(arrays.items())[1:]), metadata)
    with pytest.raises(ArchspecError, match="the weights do not fit resnet_digits"):
        Run.open(tmp_path)


def test_runs_on_other_data_do_not_compare(run: Run) -> None:
    check_same_data([run, run])
    other = replace(run, data=replace(run.data, name="digit_maps"))
    with pytest.raises(ArchspecError, match=r"was trained on digit_maps, and .* on digits"):
        check_same_data([run, other])


def test_training_images_are_drawn_once_each(run: Run) -> None:
    split = run.draw_training(100, 3)
    assert len(split) == 100
    assert len({image.tobytes() for image in split.images}) >= 99  # the digits may hold an image twice
    assert np.array_equal(run.draw_training(100, 3).labels, split.labels)
    assert not np.array_equal(run.draw_training(100, 4).labels, split.labels)
    assert len(run.draw_training(10**9)) == len(run.data.train)
