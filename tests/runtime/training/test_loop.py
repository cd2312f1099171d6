"""Training learns, repeats itself bit for bit, and says what does not fit."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archspec.errors import ArchspecError
from runtime.data.dataset import ArraySamples, Dataset
from runtime.recipes.optimization import Cosine
from runtime.training.callbacks import TrainingCallback
from runtime.training.loop import Attendance, TrainResult
from runtime.training.metrics import Progress
from runtime.training.module_outputs import evaluate_module
from runtime.training.train import train
from tests.support.models import arrays_of, make_data
from tests.support.training import QUICK, Wrapped, change, make_net


class Listener(TrainingCallback):
    """Notes what it hears."""

    def __init__(self, steps: list[Progress], lines: list[Any]) -> None:
        self.steps, self.lines = steps, lines

    def on_step(self, progress: Progress) -> None:
        self.steps.append(progress)

    def on_metrics(self, row: Mapping[str, Any]) -> None:
        self.lines.append(row)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return make_data()


@pytest.fixture(scope="module")
def result(data: Dataset) -> TrainResult:
    return train(make_net(), data, QUICK)


def test_training_learns(result: TrainResult) -> None:
    assert result.test_scores["accuracy"] >= 0.95
    assert result.history[-1].loss < result.history[0].loss
    assert [epoch.epoch for epoch in result.history] == [1, 2, 3, 4]
    assert result.steps == 16


def test_nothing_is_learned_from_false_labels(data: Dataset) -> None:
    """The control: were the test images trained on, or the labels ignored, this would succeed as well."""
    labels = np.random.default_rng(0).permutation(data.training.labels)
    false = dataclasses.replace(data, train=ArraySamples(arrays_of(data.train).images, labels))
    assert train(make_net(), false, QUICK).test_scores["accuracy"] < 0.75


def test_the_same_seed_gives_the_same_weights(data: Dataset, result: TrainResult) -> None:
    torch.manual_seed(12345)
    again = train(make_net(), data, QUICK)
    assert list(again.state) == list(result.state)
    assert all(torch.equal(again.state[name], result.state[name]) for name in result.state)
    other = train(make_net(), data, change(QUICK, seed=1))
    assert not torch.equal(other.state["0.weight"], result.state["0.weight"])


def test_training_leaves_the_callers_random_numbers_and_threads_alone(data: Dataset) -> None:
    torch.manual_seed(7)
    net = make_net()
    threads, before = torch.get_num_threads(), torch.random.get_rng_state()
    train(net, data, change(QUICK, epochs=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_progress_counts_every_step(data: Dataset) -> None:
    steps: list[Progress] = []
    lines: list[Any] = []
    around = Attendance([Listener(steps, lines)])
    found = train(make_net(), data, change(QUICK, epochs=2, batch=10), around)
    assert [item.step for item in steps] == list(range(1, 15))
    assert {item.steps for item in steps} == {14}
    assert [item.epoch for item in steps] == [1] * 7 + [2] * 7
    assert [line for line in lines if line["kind"] == "evaluation"] == [row.to_dict() for row in found.history]
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 15))
    first = found.history[0]
    assert (steps[6].loss, steps[6].metric, steps[6].score) == (first.loss, "accuracy", first.score)
    assert steps[-1].seconds_left == 0
    assert all(0 <= item.score <= 1 and item.samples_per_second > 0 for item in steps)


def test_the_result_is_json_without_weights(result: TrainResult) -> None:
    row = json.loads(json.dumps(result.to_dict()))
    assert row["history"][0]["learning_rate"] == result.history[0].learning_rate
    measured = {"test_images", "test_loss", "test_accuracy"}
    assert measured | {"history", "kind", "step", "epoch", "best", "seconds"} == set(row)
    names = {"kind", "step", "epoch", "loss", "accuracy", "learning_rate", "seconds", "samples_per_second", "best"}
    assert measured | names == set(row["history"][0])


def test_the_state_is_the_last_one_and_the_test_result_is_its(data: Dataset, result: TrainResult) -> None:
    net = make_net(seed=5)
    net.load_state_dict(result.state)
    logits = evaluate_module(net, data.held_out)["output"]
    assert result.test_scores == {"accuracy": (logits.argmax(1) == data.held_out.labels).mean()}
    witness = nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(data.held_out.labels))
    assert result.test_loss == pytest.approx(witness.item(), rel=1e-6)


def test_several_outputs_are_all_trained_on_and_the_last_one_counts(data: Dataset) -> None:
    """The loss is the sum of theirs; the witness is torch's own cross-entropy of the two heads."""

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(16, 3), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"a": self.a(0 * x.flatten(1)), "b": self.b(x.flatten(1))}  # the first is blind

    torch.manual_seed(0)
    net = Heads()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    result = train(net, data, change(QUICK, epochs=1))
    assert all(not torch.equal(before[name], value) for name, value in result.state.items())
    outputs, labels = evaluate_module(net, data.held_out), torch.from_numpy(data.held_out.labels)
    losses = [nn.functional.cross_entropy(torch.from_numpy(outputs[name]), labels).item() for name in "ab"]
    assert result.test_loss == pytest.approx(sum(losses), rel=1e-6)
    accuracies = [float((outputs[name].argmax(1) == data.held_out.labels).mean()) for name in "ab"]
    assert accuracies[0] != accuracies[1]
    assert result.test_scores == {"accuracy": accuracies[1]}


def test_a_loss_that_is_not_finite_stops_training(data: Dataset) -> None:
    calls = 0

    def spoil(y: Tensor) -> Tensor:
        nonlocal calls
        calls += y.requires_grad
        return y * float("nan") if calls == 6 else y

    with pytest.raises(ArchspecError, match=r"became nan at step 6 of 16 \(epoch 2\).*; try a learning rate below 0.1"):
        train(Wrapped(spoil), data, QUICK)


def test_a_step_of_one_image_that_batch_normalization_refuses_is_explained() -> None:
    module = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Linear(16, 3))
    with pytest.raises(
        ArchspecError, match=r"train on 1 of a step's 1 images \(batch 2, accumulate 1\): .*; try a larger batch"
    ):
        train(module, make_data(train=65), change(QUICK, batch=2))


def test_weights_that_are_not_finite_after_the_last_step_are_refused(data: Dataset) -> None:
    with pytest.raises(ArchspecError, match=r"(the loss became (nan|inf)|no longer finite).*\(--lr"):
        train(make_net(), data, change(QUICK, lr=1e38, schedule=Cosine(warmup=0), epochs=1))
