"""A module whose outputs do not fit the data is refused, and one that fits lies where its strides say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import elaborate, load, to_torch
from archspec.errors import ArchspecError
from runtime.data.dataset import Dataset
from runtime.data.registry import load_data
from runtime.tasks.grid import OutputGrid, Stride, measure_strides
from runtime.training.grids import find_grids, find_stride, name_strides
from runtime.training.module_outputs import name_outputs
from tests.support.documents import graph_from
from tests.support.models import make_data
from tests.support.training import Wrapped


@pytest.fixture(scope="module")
def maps() -> Dataset:
    return load_data("digit_maps")


@pytest.fixture(scope="module")
def points() -> Dataset:
    return load_data("digit_points")


def build(name: str, params: Mapping[str, Any], side: int) -> tuple[nn.Module, dict[str, Stride]]:
    graph = elaborate(load(name, params), {"H": side, "W": side})
    return to_torch(graph), measure_strides(graph)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Wrapped(lambda y: {"a": y, "b": y[:, :2]}), r"the output 'b' gives \(2,\) per image; rows has 3 classes"),
        (Wrapped(lambda y: {"a": y, "b": [y]}), "the output 'b' is a list, no tensor"),
        (Wrapped(lambda y: {}), "gives an empty dict"),
        (Wrapped(lambda y: [y]), "gives a list"),
        (Wrapped(lambda y: y[:, :, None]), r"an image's label needs one row of numbers, found \(3, 1\) per image"),
        (Wrapped(lambda y: y, classes=5), r"gives \(5,\) per image; rows has 3 classes, so it must give \(3,\)"),
        (Wrapped(lambda y: y[:1]), "gives 1 rows for 2 images; it must give one per image"),
        (nn.Sequential(nn.Flatten(), nn.Linear(17, 3)), r"does not take rows's images of shape \(1, 4, 4\): "),
        (nn.Flatten(), "no weights to train"),
    ],
)
def test_a_module_that_does_not_fit_is_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        find_grids(module, make_data())


def test_without_strides_a_half_by_accident_is_taken_for_one(maps: Dataset) -> None:
    """That is what they are for."""
    module, strides = build("unet", {"classes": 11, "widths": [4]}, 32)
    found = [find_grids(module, maps, given)["output"] for given in (strides, None)]
    assert [(grid.stride, grid.offsets) for grid in found] == [(1, (8, 8)), (2, (0, 0))]


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        (
            "unet_same",
            {"widths": [4]},
            r"the network gives \(1, 32, 32\) per image; digit_maps has 11 classes, so it must",
        ),
        (
            "unet_plus_plus",
            {"channels": 1, "widths": [4, 4]},
            r"gives \(1, 32, 32\) per image; digit_maps has 11 classes",
        ),
        (
            "resnet_digits",
            {"classes": 11},
            r"does not fit digit_maps: a class for each pixel needs an output with places",
        ),
    ],
)
def test_networks_for_another_task_are_refused(
    maps: Dataset, name: str, params: Mapping[str, Any], message: str
) -> None:
    module, _ = build(name, params, 32)
    with pytest.raises(ArchspecError, match=message):
        find_grids(module, maps)


def test_a_hourglass_needs_a_heatmap_for_each_joint(points: Dataset) -> None:
    module, strides = build("hourglass2", {"features": 8}, 64)
    message = r"'heatmap0' gives \(16, 16, 16\) per image; digit_points has 3 joints, so it must give \(3, 16, 16\)"
    with pytest.raises(ArchspecError, match=message):
        find_grids(module, points, strides)


def test_strides_have_the_names_of_what_the_module_gives() -> None:
    assert name_strides(elaborate(load("hourglass2"))) == {"heatmap0": 4, "heatmap1": 4}
    assert name_strides(elaborate(load("unet"))) == {"output": 1}
    renamed = graph_from(
        {
            "archspec": 1,
            "inputs": {"x": [1, "H", "W"]},
            "sizes": {"H": 8, "W": 8},
            "network": [{"conv": {"out": 2, "stride": 2}}, {"output": "mask"}],
        }
    )
    assert measure_strides(renamed) == {"mask": 2}
    assert name_strides(renamed) == {"output": 2}
    assert list(name_outputs(to_torch(renamed)(torch.zeros(1, 1, 8, 8)))) == ["output"]
    assert name_strides(elaborate(load("resnet_digits"))) == {}


def test_the_stride_is_that_of_the_last_output() -> None:
    grids = {"a": OutputGrid((8, 8), (8, 8)), "b": OutputGrid((8, 8), (4, 4), 2)}
    assert find_stride(grids) == 2
    assert find_stride({"a": OutputGrid((), ())}) is None
    uneven = {"a": OutputGrid((8, 8), (8, 4), (1, 2)), "b": OutputGrid((8, 8), (8, 8))}
    assert find_stride(uneven) == 1
    with pytest.raises(ArchspecError, match=r"of the last output, 'a', are 1 and 2 pixels apart: an answer needs one"):
        find_stride(dict(reversed(uneven.items())))
