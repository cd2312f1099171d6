"""A task that the project does not know: one class, and training, evaluation, prediction and the tables treat it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import runtime.data.opening as data_opening
import runtime.data.registry as data_registry
import runtime.int8.data as int8_data
import runtime.tasks.registry as task_registry
import runtime.verification.static.metadata_fit as metadata_fit
from archspec.api import elaborate, evaluate, load, to_onnx, train
from archspec.arrays import Array
from archspec.cli.main import app
from archspec.cli.tables.experiments import print_lesions
from archspec.cli.tables.models import print_evaluation
from archspec.errors import ArchspecError
from archspec.weights import read_weights
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.registry import load_data
from runtime.experiments.lesion import measure_lesion
from runtime.experiments.pruning import choose_parts
from runtime.recipes.optimization import Sgd
from runtime.recipes.recipe import Recipe
from runtime.tasks.drawing import LabelSheet
from runtime.tasks.grid import OutputGrid, Stride
from runtime.tasks.task import Answer, AnswerColumn, AnswerInput, ScoreCounts, Task, divide
from runtime.training.run import Run
from tests.support.models import arrays_of

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Amount(Answer):
    """A number for one image."""

    amount: float

    @property
    def array(self) -> Array:
        return np.array(self.amount)

    def to_dict(self) -> dict[str, Any]:
        return {"path": self.path, "amount": self.amount}


class Amounts(Task):
    """One number for each image, from (N, 1): how much ink is on it."""

    name, metrics, lower_is_better, asked = "amounts", ("rmse",), True, "images"
    needs, needed = "an amount needs", "a single number"
    columns = (AnswerColumn("ink"),)
    has_probabilities, has_picture = False, False

    def fits(self, output: Sequence[int | str]) -> bool:
        return list(output) == [1]

    def count_channels(self, output: Sequence[int]) -> int:
        return 1

    def place(self, image: Sequence[int], output: Sequence[int], stride: Stride | None = None) -> OutputGrid:
        self.check_fit(output)
        return OutputGrid((), ())

    def compute_loss(self, output: Tensor, targets: Tensor) -> Tensor:
        return torch.nn.functional.mse_loss(output[:, 0], targets)

    def decide(self, output: Array, grid: OutputGrid) -> Array:
        return output[:, 0]

    def count(self, answers: Array, labels: Array, grid: OutputGrid) -> ScoreCounts:
        return np.array([np.square(answers - labels).sum(), len(labels)], np.float64)

    def score(self, counts: ScoreCounts) -> dict[str, float]:
        return {"rmse": divide(counts[0], counts[1]) ** 0.5}

    def count_equal(self, first: Array, second: Array) -> tuple[int, int]:
        return int(np.isclose(first, second, rtol=1e-3, atol=1e-5).sum()), first.size

    def answer(self, given: AnswerInput) -> Iterator[Amount]:
        for path, row in zip(given.paths, given.output, strict=True):
            yield Amount(path, float(row[0]))

    def tabulate(self, row: Mapping[str, Any]) -> Iterator[Sequence[str]]:
        yield (f"{row['amount']:.3f} of ink",)

    def illustrate(self, answers: Array, labels: Array, names: Sequence[str], grid: OutputGrid) -> LabelSheet:
        return LabelSheet([f"{label:.2f}" for label in labels], [f"{answer:.2f}" for answer in answers])


def load_ink() -> Dataset:
    """The digits with the mean of their pixels, which a linear layer can learn."""
    digits = load_data("digits")

    def measure(samples: ArraySamples) -> ArraySamples:
        return replace(samples, targets=samples.images.mean(axis=(1, 2, 3)).astype(np.float32))

    train, test = measure(arrays_of(digits.train)), measure(arrays_of(digits.test))
    return replace(digits, name="ink", train=train, test=test, classes=("ink",), task="amounts")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two names that a new task and its data need, wherever the tables have been imported."""
    for module in (task_registry, metadata_fit):
        monkeypatch.setattr(module, "TASKS", {**task_registry.TASKS, "amounts": Amounts()})
    for module in (data_opening, data_registry, int8_data):
        monkeypatch.setattr(module, "DATASETS", {**data_registry.DATASETS, "ink": load_ink})


def make_run(folder: Path, *layers: Any) -> Path:
    network = ["flatten", *layers, {"linear": 1}]
    document = {"archspec": 1, "name": "ink", "inputs": {"image": [1, 8, 8]}, "network": network}
    (folder / "spec.json").write_text(json.dumps(document), encoding="utf-8")
    run = folder / "run"
    recipe = Recipe(epochs=4, batch=8, optimizer=Sgd(lr=0.015), threads=1)
    train(load(folder / "spec.json"), "ink", recipe, folder=run)
    weights, metadata = read_weights(run / "weights.safetensors")
    assert metadata["archspec.task"] == "amounts"
    to_onnx(elaborate(load(run / "spec.yaml")), weights, run / "model.onnx", metadata=metadata)
    return run


@pytest.mark.usefixtures("registered")
def test_a_new_task_is_trained_evaluated_answered_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, call = make_run(tmp_path), CliRunner().invoke
    evaluation = evaluate(run)
    found = evaluation.to_dict()
    assert (found["task"], found["asked"], found["equal_predictions"]) == ("amounts", "images", 360)
    spread = float(load_ink().held_out.labels.std())
    assert found["rmse_onnx"] == pytest.approx(found["rmse_torch"], rel=1e-3)
    assert found["rmse_torch"] < spread / 2  # what always saying the mean would be off by
    assert len(found["samples"]) == 10
    assert Path(found["picture"]).stat().st_size > 1000
    print_evaluation(evaluation, run)
    table = capsys.readouterr().out
    assert "test rmse" in table
    assert "360 of 360\n" in table
    answered = call(app, ["run", str(run / "model.onnx"), found["samples"][0], "--json"])
    (row,) = json.loads(answered.output)
    pixels = load_ink().held_out.labels[int(Path(found["samples"][0]).stem)]
    assert abs(row["amount"] - pixels) < 3 * found["rmse_onnx"]
    shown = call(app, ["run", str(run / "model.onnx"), found["samples"][0]]).output
    assert f"{row['amount']:.3f} of ink" in shown
    drawn = call(app, ["run", str(run / "model.onnx"), found["samples"][0], "--pictures", str(tmp_path / "p")])
    assert drawn.exit_code != 0
    assert not (tmp_path / "p").exists()
    with pytest.raises(ArchspecError, match="averages probabilities, and numbers of classes are none"):
        evaluate(run, monte_carlo=2)


@pytest.mark.parametrize(("lower_is_better", "kept"), [(True, ["linear_0"]), (False, [])], ids=["an error", "a share"])
@pytest.mark.usefixtures("registered")
def test_int8_is_judged_by_which_way_a_score_is_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lower_is_better: bool, kept: list[str]
) -> None:
    """int8 makes the error larger by more than the bound. The control takes the same score for a share, and accepts."""
    run = make_run(tmp_path)
    monkeypatch.setattr(Amounts, "lower_is_better", lower_is_better)
    spec, weights = str(run / "spec.yaml"), str(run / "weights.safetensors")
    words = ["export", spec, "--weights", weights, "-o", str(tmp_path / "int8.onnx"), "--precision", "int8"]
    said = CliRunner().invoke(app, [*words, "--data", "ink", "--max-drop", "0.0005", "--json"])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["quantization"]["kept"] == kept


@pytest.mark.usefixtures("registered")
def test_parts_go_while_the_error_rises_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.open(make_run(tmp_path, {"linear": 64}, {"linear": 64}))
    lesion = measure_lesion(run)
    worse = [item.score - lesion.score for item in lesion.removals]
    assert min(worse) > 0
    print_lesions([lesion], run.task, None)
    table = capsys.readouterr().out
    assert all(f" {rise:.4f}" in table for rise in worse)
    assert not choose_parts(run, 0.0).parts
    assert choose_parts(run, 0.9).parts
    monkeypatch.setattr(Amounts, "lower_is_better", False)
    assert choose_parts(run, 0.0).parts, "the control"


def test_a_task_that_is_not_registered_is_none() -> None:
    """The control."""
    with pytest.raises(ArchspecError, match=r"no task 'amounts'.*\(available: labels, maps, joints\)"):
        task_registry.find_task("amounts")


@pytest.mark.parametrize("part", ["answer", "illustrate", "tabulate", "columns", "has_probabilities", "has_picture"])
def test_a_task_without_a_part_is_no_class(part: str) -> None:
    parts = {name: value for name, value in vars(Amounts).items() if not name.startswith("__")}
    type("Whole", (Task,), parts)  # the control
    del parts[part]
    with pytest.raises(TypeError, match=f"the task Less lacks {part}"):
        type("Less", (Task,), parts)


@pytest.mark.parametrize(
    ("task", "shape"), [("labels", (4, 3)), ("maps", (4, 3, 5, 6)), ("maps", (4, 1, 5, 6)), ("joints", (4, 2, 5, 6))]
)
def test_what_is_brought_from_a_device_says_the_same(task: str, shape: tuple[int, ...]) -> None:
    """Of another output, the control, it does not."""
    asked, output = task_registry.find_task(task), torch.randn(shape, generator=torch.Generator().manual_seed(0))
    grid = OutputGrid(shape[2:], shape[2:])
    expected = asked.decide(output.numpy(), grid)
    assert np.array_equal(asked.decide(asked.condense(output).numpy(), grid), expected)
    assert not np.array_equal(asked.decide(asked.condense(-output).numpy(), grid), expected)
