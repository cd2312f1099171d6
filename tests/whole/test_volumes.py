"""The whole way with volumes: a folder of drawn ones, trained as the page on volumes has it, exported, and answered on
volumes of another size whose axes run another way."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

import archspec
from archspec.arrays import Array
from runtime.data.opening import open_data
from runtime.evaluation.evaluate import EvaluationSettings, evaluate_run
from runtime.prediction.volume_writer import VolumeWriter
from runtime.prediction.volumes import answer_volumes
from runtime.recipes.document import read_recipe
from runtime.session.session import Session
from runtime.training.run import Run
from tests.support.phantoms import draw_spheres, write_nifti
from tests.support.product import ROOT
from tests.support.task_models import ask

PAGE = ROOT / "docs" / "training" / "volumes.md"

STATED = 0.9
"""The mean Dice that the page says is passed."""


def put(folder: Path, count: int) -> None:
    """Volumes in one orientation, their labels in another."""
    for number in range(count):
        values, labels = draw_spheres((32, 36, 40), 6, number, (4, 7))
        for name, content, axes in (("images", values, ("RAS", "LPS")[number % 2]), ("labels", labels, "LAS")):
            (folder / name).mkdir(parents=True, exist_ok=True)
            write_nifti(folder / name / f"case{number}.nii.gz", content, axes, (2.0, 1.0, 1.0))


def stored(path: Path) -> Array:
    image: Any = nibabel.load(path)
    return np.asarray(image.dataobj)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the page's spec and recipe, with its file."""
    folder = tmp_path_factory.mktemp("volumes")
    spec, recipe, *_ = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (folder / "unet3d_same.yaml").write_text(spec)
    (folder / "patches.yaml").write_text(recipe)
    put(folder / "data", 4)
    settings = read_recipe(folder / "patches.yaml").model_copy(update={"threads": 1})
    archspec.train(archspec.load(folder / "unet3d_same.yaml"), str(folder / "data"), settings, folder=folder / "run")
    weights, facts = archspec.read_weights(folder / "run" / "weights.safetensors")
    graph = archspec.elaborate(archspec.load(folder / "run" / "spec.yaml"))
    archspec.to_onnx(graph, weights, folder / "run" / "model.onnx", metadata=facts, verify=False)
    return folder / "run"


def test_the_stated_dice_is_reached(run: Path) -> None:
    *_, last = (run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(last)["test_mean_dice"] > STATED
    data = open_data(str(run.parent / "data"), read_recipe(run / "recipe.yaml").data)
    assert (len(data.train), len(data.test)) == (24, 1)


@pytest.mark.slow
def test_module_and_file_are_evaluated_alike(run: Path) -> None:
    found = evaluate_run(Run.open(run), EvaluationSettings(providers=["cpu"], seconds=0.01))
    assert found.scores_torch["mean_dice"] > STATED
    assert found.scores_onnx["mean_dice"] == pytest.approx(found.scores_torch["mean_dice"], abs=1e-3)
    assert {path.name for path in run.iterdir()} >= {"predictions.png", "samples"}


@pytest.mark.parametrize("axes", ["RAS", "PIR"])
def test_answers_lie_on_other_volumes(run: Path, tmp_path: Path, axes: str) -> None:
    values, labels = draw_spheres((27, 40, 35), 6, 99, (4, 7))
    scan = write_nifti(tmp_path / "scan.nii.gz", values, axes, (2.0, 1.0, 1.0))
    truth = stored(write_nifti(tmp_path / "truth.nii.gz", labels, axes, (2.0, 1.0, 1.0)))
    session = Session(run / "model.onnx", providers=["cpu"])
    writer = VolumeWriter(tmp_path / "out", [scan])
    for item in answer_volumes(session, [scan], ask(session)):
        writer(item)  # type: ignore[arg-type]  # a Failure is none, and fails
    found = stored(tmp_path / "out" / "scan.nii.gz")
    assert found.shape == truth.shape
    assert min(measure_overlap(found, truth)) > 0.8
    assert min(measure_overlap(found[::-1], truth)) < 0.5, "control: mirrored"


def measure_overlap(found: Array, truth: Array) -> list[float]:
    """The intersection over union of each class."""
    return [float(((found == c) & (truth == c)).sum() / ((found == c) | (truth == c)).sum()) for c in range(3)]
