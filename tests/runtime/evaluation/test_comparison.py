"""A run's network held against its file: right files pass, and files of other weights, outputs or classes do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archspec.api import load, to_onnx, train
from archspec.arrays import Array
from archspec.errors import ModelError
from compiler.onnx_file.metadata import EPOCH, SETTINGS
from runtime.evaluation.comparison import Comparison, compare_answers
from runtime.recipes.recipe import Recipe
from runtime.session.session import Session
from runtime.training.module_outputs import evaluate_module
from runtime.training.run import Run
from tests.support.folders import write_class_folders, write_mask_pairs
from tests.support.models import make_linear, save_module
from tests.support.phantoms import draw_spheres, write_nifti
from tests.support.poses import make_coco, write_coco, write_pictures

LINEAR = {"archspec": 1, "name": "linear", "inputs": {"image": [1, 8, 8]}, "network": ["flatten", {"linear": 10}]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A linear classifier of digits that is right in most cases."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "linear.json").write_text(json.dumps(LINEAR), encoding="utf-8")
    train(load(folder / "linear.json"), "digits", Recipe(epochs=3, threads=1), folder=folder / "run")
    return Run.open(folder / "run")


def export(run: Run, path: Path, **changes: Array) -> Session:
    to_onnx(run.graph, dict(run.weights) | changes, path, verify=False)
    return Session(path, providers=["cpu"])


def compare(run: Run, session: Session) -> Comparison:
    return compare_answers(run, run.build_module(), session)


def test_a_file_of_the_runs_weights_answers_as_its_module(run: Run, tmp_path: Path) -> None:
    found = compare(run, export(run, tmp_path / "model.onnx"))
    logits = evaluate_module(run.build_module(), run.data.held_out)["output"]
    assert found.same_weights is True
    assert np.array_equal(found.answers, logits.argmax(1))
    assert found.equal == found.predictions == len(run.data.held_out) == 360
    accuracy = float((logits.argmax(1) == run.data.held_out.labels).mean())
    assert found.scores_torch == found.scores_onnx == {"accuracy": accuracy}
    ((absolute, relative),) = found.differences
    assert 0 <= relative < 1e-5
    assert relative == pytest.approx(absolute / np.abs(logits).max())


def test_a_file_of_other_weights_is_told(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compare(run, export(run, tmp_path / "right.onnx"))
    assert caplog.messages == []  # the control
    turned = run.weights["linear_0.weight"][::-1].copy()
    found = compare(run, export(run, tmp_path / "model.onnx", **{"linear_0.weight": turned}))
    assert found.same_weights is False
    assert found.equal < 180
    assert found.scores_onnx["accuracy"] < 0.5 < found.scores_torch["accuracy"]
    assert found.differences[0][1] > 0.1
    (said,) = caplog.messages
    assert said.startswith(
        f"{tmp_path / 'model.onnx'} is of other weights than {run.folder / 'weights.safetensors'}; ex"
    )


def test_a_file_that_says_nothing_of_its_weights_is_neither(run: Run, tmp_path: Path) -> None:
    weight, bias = run.weights["linear_0.weight"], run.weights["linear_0.bias"]
    path = save_module(make_linear(), tmp_path / "model.onnx", weight=weight, bias=bias)
    found = compare(run, Session(path, providers=["cpu"]))
    assert found.same_weights is None
    assert found.equal == found.predictions


def test_a_training_that_did_not_end_is_told(run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = export(run, tmp_path / "model.onnx")
    stopped = replace(run, metadata=dict(run.metadata) | EPOCH.write((1, 3)))
    assert compare(stopped, session).same_weights is True
    (said,) = caplog.messages
    assert said == f"{run.folder / 'weights.safetensors'}: weights after epoch 1 of 3: training was stopped"


def test_a_file_with_other_classes_is_refused(run: Run, tmp_path: Path) -> None:
    weight, bias = np.zeros((3, 64), np.float32), np.zeros(3, np.float32)
    path = save_module(make_linear(), tmp_path / "model.onnx", weight=weight, bias=bias)
    with pytest.raises(ModelError, match=r"gives \(3\) per image in '.*', the module \(10\)"):
        compare(run, Session(path, providers=["cpu"]))


def test_outputs_must_have_the_modules_names(run: Run, tmp_path: Path) -> None:
    network = ["flatten", {"linear": 10}, {"output": "a"}, {"linear": 10}, {"output": "b"}]
    other = LINEAR | {"network": network}
    (tmp_path / "two.json").write_text(json.dumps(other), encoding="utf-8")
    train(load(tmp_path / "two.json"), "digits", Recipe(epochs=1, threads=1), folder=tmp_path / "run")
    two = Run.open(tmp_path / "run")
    session = export(two, tmp_path / "model.onnx")
    assert compare(two, session).equal  # the control
    with pytest.raises(ModelError, match=r"model\.onnx gives a, b; the module output"):
        compare(run, session)


def write_transparent(folder: Path) -> None:
    """Classes of pictures with holes, through which the ground is seen."""
    write_class_folders(folder, {"a": 12, "b": 9}, (9, 7, 4))


def write_maps(folder: Path) -> None:
    """Pictures and masks of several sizes, none of which is the network's."""
    for number, shape in enumerate(((8, 9), (13, 8), (10, 10))):
        write_mask_pairs(folder, [f"{number}{letter}" for letter in "abcd"], 3, shape)


def write_joints(folder: Path) -> None:
    sizes = {f"{number}.png": (20 + number, 30 - number) for number in range(12)}
    write_pictures(folder, sizes)
    asked = []
    for number in range(12):
        at, down = 4 + number % 5, 5 + number % 7
        places = [at, down, 2, at + 3, down + 1, 2, at + 6, down + 2, 2]
        asked.append({"image_id": number + 1, "keypoints": places, "num_keypoints": 3})
    write_coco(folder / "poses.json", make_coco(list(sizes), asked))


def write_volumes(folder: Path) -> None:
    for number in range(4):
        values, labels = draw_spheres((12, 16, 20), 3, number, (2, 4))
        for name, content in (("images", values), ("labels", labels)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            write_nifti(folder / name / f"{number}.nii", content)


MIRRORED = {"test_time_augmentation": ["horizontal", "vertical"]}
DENSE: list[Any] = [{"conv": 8}, "norm", "relu"]
CASES: dict[str, tuple[Callable[[Path], None], str, list[Any], dict[str, Any]]] = {
    "labels": (write_transparent, "H W", [*DENSE, "flatten", {"linear": 2}], {"ground": "#204060"}),
    "maps": (write_maps, "H W", [*DENSE, {"conv": 3}], {"size": [8, 12], "resize": "letterbox"}),
    "two outputs": (
        write_maps,
        "H W",
        [*DENSE, {"conv": 3}, {"output": "a"}, {"conv": 3}, {"output": "b"}],
        {"size": [8]},
    ),
    "joints": (write_joints, "H W", [*DENSE, {"conv": 3}], {"size": [16, 16], "resize": "shorter"}),
    "volumes": (write_volumes, "D H W", [*DENSE, {"conv": 3}], {"size": [8]}),
}


@pytest.mark.parametrize("mirrored", [False, True], ids=["plain", "mirrored"])
@pytest.mark.parametrize("case", CASES)
def test_the_figures_are_those_of_the_run(tmp_path: Path, case: str, mirrored: bool) -> None:
    """Of data in folders, one part of several of which is held out, with a moving average, and weights that validation
    images chose; the control is the same without mirrored copies."""
    write, axes, network, settings = CASES[case]
    write(tmp_path / "data")
    letters = axes.split()
    channels = 1 if case == "volumes" else 3
    document = {
        "archspec": 1,
        "inputs": {"x": [channels, *letters]},
        "sizes": dict.fromkeys(letters, 8),
        "network": network,
    }
    (tmp_path / "net.json").write_text(json.dumps(document), encoding="utf-8")
    recipe = {"epochs": 3, "batch": 4, "ema": 0.5, "threads": 1, "data": {"fold": "2/3", "validation": 0.3, **settings}}
    recipe["optimizer"] = {"lr": 0.02}
    made = Recipe.model_validate(recipe | (MIRRORED if mirrored else {}))
    train(load(tmp_path / "net.json"), str(tmp_path / "data"), made, folder=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    end = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    found = compare(run, export(run, tmp_path / "model.onnx"))
    assert {f"test_{name}": score for name, score in found.scores_torch.items()} == pytest.approx(
        {name: score for name, score in end.items() if name.removeprefix("test_") in run.task.metrics}, rel=1e-6
    )
    assert found.scores_onnx == pytest.approx(found.scores_torch, rel=0.02)
    assert (found.unmirrored is None) == (not mirrored)
    if found.unmirrored is not None:
        assert case == "labels" or found.unmirrored[0] != pytest.approx(found.scores_torch, rel=1e-6)
        assert found.unmirrored[1] == pytest.approx(found.unmirrored[0], rel=0.02)


def test_mirrors_that_no_recipe_has_are_told(run: Run) -> None:
    odd = replace(run, metadata=dict(run.metadata) | SETTINGS.write({"test_time_augmentation": ["depth"]}))
    with pytest.raises(ModelError, match=r"weights\.safetensors: '.*' says no axes of mirrors"):
        _ = odd.mirrors
