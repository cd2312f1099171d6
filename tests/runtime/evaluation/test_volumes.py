"""Whole volumes are scored alike by the module, by its file, and by the evaluation of training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import archspec
from runtime.data.opening import open_data
from runtime.evaluation.volumes import count_volumes
from runtime.recipes.data import DataSection
from runtime.recipes.objective import LossSection
from runtime.session.session import Session
from runtime.tasks.grid import place_output
from runtime.tasks.registry import find_task
from runtime.training.evaluation import PartEvaluator
from runtime.training.objective import Objective
from runtime.training.ranks import Ranks
from runtime.training.run import Run
from tests.support.phantoms import draw_spheres, write_nifti

SPEC: dict[str, Any] = {
    "archspec": 1,
    "inputs": {"x": [1, "D", "H", "W"]},
    "sizes": {"D": 8, "H": 8, "W": 8},
    "network": [{"conv": {"out": 4, "kernel": 3}}, "relu", {"conv": {"out": 3, "kernel": 3, "bias": True}}],
}


def test_module_and_file_have_the_same_scores(tmp_path: Path) -> None:
    for number in range(3):
        values, labels = draw_spheres((12, 16, 20), 3, number, (2, 4))
        for name, content in (("images", values), ("labels", labels)):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            write_nifti(tmp_path / "data" / name / f"{number}.nii", content)
    data = open_data(tmp_path / "data", DataSection(size=[8], test=0.6))
    (tmp_path / "spec.json").write_text(json.dumps(SPEC))
    spec = archspec.load(tmp_path / "spec.json")
    graph = archspec.elaborate(spec)
    torch.manual_seed(0)
    module = archspec.to_torch(graph)
    weights = {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
    archspec.to_onnx(graph, weights, tmp_path / "model.onnx", verify=False)
    run = Run(tmp_path, spec, graph, weights, {}, data)
    grid = place_output((8, 8, 8), (8, 8, 8))
    session = Session(tmp_path / "model.onnx", providers=["cpu"])
    ours, theirs = map(run.task.score, count_volumes(run, module, session, grid))
    assert ours["mean_iou"] == pytest.approx(theirs["mean_iou"], abs=1e-3)
    objective = Objective(find_task("maps"), {"output": grid}, LossSection(class_weights="none"), 3)
    measured = PartEvaluator(data, objective, Ranks()).measure(module, data.test)
    assert len(data.test) == 2
    assert measured.scores == pytest.approx(ours, abs=1e-9)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.from_numpy(np.flip(tensor.numpy(), 0).copy()))
    control, _ = map(run.task.score, count_volumes(run, module, session, grid))
    assert abs(control["mean_iou"] - theirs["mean_iou"]) > 0.02
