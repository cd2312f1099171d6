"""Networks of the zoo learn class maps and joints, better than chance, on all their outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch import nn
from torch.nn import functional as F

from archspec.api import elaborate, load, to_torch
from runtime.data.dataset import ArraySamples, Dataset
from runtime.data.registry import load_data
from runtime.pictures.geometry import NOT_ASKED
from runtime.recipes.recipe import Recipe
from runtime.tasks.grid import Stride, measure_strides
from runtime.tasks.joints import MAX_DISTANCE
from runtime.tasks.registry import TASKS
from runtime.training.grids import find_grids, find_stride
from runtime.training.module_outputs import evaluate_module
from runtime.training.train import train
from tests.support.models import arrays_of
from tests.support.training import change

QUICK = Recipe(epochs=1, batch=8, threads=1)


@pytest.fixture(scope="module")
def maps() -> Dataset:
    return load_data("digit_maps")


@pytest.fixture(scope="module")
def points() -> Dataset:
    return load_data("digit_points")


def build(name: str, params: Mapping[str, Any], side: int) -> tuple[nn.Module, dict[str, Stride]]:
    graph = elaborate(load(name, params), {"H": side, "W": side})
    return to_torch(graph), measure_strides(graph)


def shorten(data: Dataset, count: int) -> Dataset:
    """The first few of each part, for tests in which nothing is to be learned."""
    parts = [
        ArraySamples(part.images[:count], part.targets[:count]) for part in map(arrays_of, (data.train, data.test))
    ]
    return replace(data, train=parts[0], test=parts[1])


@pytest.mark.slow
def test_a_stacked_hourglass_finds_joints(points: Dataset) -> None:
    """Chance: the best fixed positions find one joint in ten; whoever sees digits, but not which, finds a third."""
    module, strides = build("hourglass2", {"features": 16, "joints": 3}, 64)
    assert strides == {"heatmap0": 4, "heatmap1": 4}
    grids = find_grids(module, points, strides)
    result = train(module, points, change(QUICK, epochs=2, lr=1.0), grids=grids)
    places = points.held_out.labels[:, None] - points.training.labels[None]
    chance = (np.hypot(places[..., 0], places[..., 1]) <= MAX_DISTANCE * 64).mean(0).max()
    assert chance < 0.1
    assert result.test_scores["pck"] > 0.45
    assert find_stride(grids) == 4
    assert result.history[-1].metric == "pck"
    outputs = evaluate_module(module, points.held_out)
    assert list(outputs) == ["heatmap0", "heatmap1"]
    wanted = TASKS["joints"].make_targets(points.held_out.labels, TASKS["joints"].place((3, 64, 64), (3, 16, 16)))
    losses = [float(((heatmaps - wanted) ** 2).mean()) for heatmaps in outputs.values()]
    assert result.test_loss == pytest.approx(sum(losses), rel=1e-4)
    assert max(losses) < 0.9 * float((wanted**2).mean())  # better than to say nothing


@pytest.mark.slow
def test_a_u_net_finds_the_classes_of_pixels(maps: Dataset) -> None:
    """Chance: background everywhere is right in more than four pixels of five, and in one class of eleven. Images whose
    maps were exchanged are the control."""
    module, strides = build("unet_bn", {"channels": 1, "classes": 11, "widths": [16, 32]}, 32)
    settings = change(QUICK, epochs=4, lr=0.2)
    grids = find_grids(module, maps, strides)
    result = train(module, maps, settings, grids=grids)
    truth = maps.held_out.labels
    background = jaccard_score(
        truth[truth != NOT_ASKED], np.zeros((truth != NOT_ASKED).sum(), int), average="macro", zero_division=0
    )
    assert background < 0.1
    assert result.test_scores["mean_iou"] > 0.3
    assert result.test_scores["pixel_accuracy"] > (truth == 0).sum() / (truth != NOT_ASKED).sum() + 0.03
    assert find_stride(grids) == 1
    exchanged = replace(
        maps, train=ArraySamples(arrays_of(maps.train).images, np.roll(arrays_of(maps.train).targets, 1, axis=0))
    )
    control, _ = build("unet_bn", {"channels": 1, "classes": 11, "widths": [16, 32]}, 32)
    assert (
        train(control, exchanged, settings, grids=find_grids(control, exchanged, strides)).test_scores["mean_iou"]
        < 0.15
    )


def test_a_valid_u_net_learns_the_centre_of_the_map(maps: Dataset) -> None:
    """The witness is torch's cross-entropy with the map's centre, cut by hand; another cut is the control."""
    data = shorten(maps, 16)
    module, strides = build("unet", {"classes": 11, "widths": [4]}, 32)
    grids = find_grids(module, data, strides)
    result = train(module, data, QUICK, grids=grids)
    assert find_stride(grids) == 1
    logits = torch.from_numpy(evaluate_module(module, data.held_out)["output"])
    side = logits.shape[2]
    assert side == 16
    first = (32 - side) // 2
    losses = [
        F.cross_entropy(
            logits,
            torch.from_numpy(data.held_out.labels[:, start : start + side, start : start + side]),
            ignore_index=NOT_ASKED,
        ).item()
        for start in (first, first + 1)
    ]
    assert result.test_loss == pytest.approx(losses[0], rel=1e-5)
    assert result.test_loss != pytest.approx(losses[1], rel=1e-3)


def test_every_output_of_a_nested_u_net_is_supervised(maps: Dataset) -> None:
    data = shorten(maps, 16)
    module, strides = build("unet_plus_plus", {"channels": 1, "classes": 11, "widths": [4, 8, 8]}, 32)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    result = train(module, data, QUICK, grids=find_grids(module, data, strides))
    outputs = evaluate_module(module, data.held_out)
    assert list(outputs) == list(strides) == ["mask1", "mask2"]
    targets = torch.from_numpy(data.held_out.labels)
    losses = [
        F.cross_entropy(torch.from_numpy(rows), targets, ignore_index=NOT_ASKED).item() for rows in outputs.values()
    ]
    assert result.test_loss == pytest.approx(sum(losses), rel=1e-5)
    assert all(not torch.equal(before[name], result.state[name]) for name in before if name.endswith("weight"))


def test_the_same_seed_gives_the_same_weights(points: Dataset) -> None:
    data = shorten(points, 16)
    states = []
    for _ in range(2):
        module, strides = build("hourglass1", {"features": 8, "joints": 3}, 64)
        states.append(train(module, data, QUICK, grids=find_grids(module, data, strides)).state)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
