"""The loss surface: its centre is the trained loss, its directions have the filters' norms, and where the surface is
known, it is that one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.errors import ArchspecError
from compiler.torch_target.module import build_module
from runtime.experiments.surface import Surface, draw_direction, measure_filters, measure_surface, walk
from runtime.training.run import Run
from runtime.training.run_folder import METRICS
from tests.support.metrics import read_metrics
from tests.support.runs import build


def test_the_centre_is_the_trained_loss(run: Run) -> None:
    """Of the held-out images exactly what training reported, and of the training images what torch computes."""
    reported = read_metrics(run.folder / METRICS)[-1]["test_loss"]
    found = measure_surface(run, points=3, span=0.5, held_out=True)
    assert found.centre == pytest.approx(reported, rel=1e-6)  # which adds up in batches
    assert (found.part, found.images, found.data) == ("test", 360, "digits")
    assert (~np.isclose(found.losses, reported, rtol=1e-6)).sum() == 8, "the control: everywhere else it is another"
    trained = measure_surface(run, points=3, span=0.5, images=5000)
    images, labels = (torch.from_numpy(array) for array in (run.data.training.images, run.data.training.labels))
    with torch.no_grad():
        expected = F.cross_entropy(build_module(run.graph, run.weights).eval()(images), labels)
    assert trained.images == 1437
    assert trained.centre == pytest.approx(float(expected), rel=1e-5)


def test_the_grid_is_a_walk_from_the_weights(run: Run) -> None:
    """One corner, with weights that are moved by hand."""
    found = measure_surface(run, points=3, span=0.5, held_out=True, seed=4)
    directions = [draw_direction(run.graph, run.weights, 4, number) for number in (0, 1)]
    for row, column in ((0, 2), (2, 1)):
        steps = found.steps[column], found.steps[row]
        moved = {
            name: torch.from_numpy(array)
            + sum(
                step * direction[name] for step, direction in zip(steps, directions, strict=True) if name in direction
            )
            for name, array in run.weights.items()
        }
        module = build_module(run.graph, {name: value.float() for name, value in moved.items()}).eval()
        with torch.no_grad():
            loss = F.cross_entropy(
                module(torch.from_numpy(run.data.held_out.images)), torch.tensor(run.data.held_out.labels)
            )
        assert found.losses[row, column] == pytest.approx(float(loss), rel=1e-4)
    assert found.losses[0, 2] != pytest.approx(found.losses[2, 0], rel=1e-3), "the control: the axes changed over"


def test_directions_have_the_filters_norms(run: Run) -> None:
    direction = draw_direction(run.graph, run.weights, 0, 0)
    assert set(direction) == {name for name, array in run.weights.items() if array.ndim > 1}
    for name, moved in direction.items():
        own = run.weights[name]
        np.testing.assert_allclose(
            [np.linalg.norm(filter) for filter in moved.numpy()],
            [np.linalg.norm(filter) for filter in own],
            rtol=1e-5,
        )
        assert abs(float(moved.flatten() @ torch.from_numpy(own).flatten())) < 0.5 * float(moved.norm()) ** 2
    other = draw_direction(run.graph, run.weights, 0, 1)
    assert all(not torch.equal(other[name], direction[name]) for name in direction)
    again = draw_direction(run.graph, run.weights, 0, 0)
    assert all(torch.equal(again[name], direction[name]) for name in direction)


def test_a_transposed_convolutions_filters_are_its_outputs() -> None:
    """Its kernel is (in, out / groups, k, k); each output sums over the inputs of its group."""
    kernel = torch.randn(6, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    norms = measure_filters(kernel, groups=2)
    for group in range(2):
        for out in range(4):
            rows = slice(3 * group, 3 * group + 3)
            expected = float(kernel[rows, out].norm())
            np.testing.assert_allclose(norms[rows, out], expected, rtol=1e-6)
    assert measure_filters(kernel).shape == kernel.shape
    np.testing.assert_allclose(measure_filters(kernel)[2, 0, 0, 0], float(kernel[2].norm()), rtol=1e-6)


def test_a_transposed_convolution_in_a_network(tmp_path: Path) -> None:
    graph = build(tmp_path, [{"conv_transpose": {"out": 4, "groups": 2}}, "prelu"], [6, 3, 3])
    weights = {name: np.random.default_rng(0).standard_normal(weight.shape) for name, weight in graph.weights.items()}
    direction = draw_direction(graph, weights, 0, 0)
    assert list(direction) == ["conv_transpose_0.weight"]
    own = torch.from_numpy(weights["conv_transpose_0.weight"])
    np.testing.assert_allclose(
        measure_filters(direction["conv_transpose_0.weight"], 2), measure_filters(own, 2), rtol=1e-5
    )


def test_a_quadratic_surface_is_found() -> None:
    """loss = |W - V|² / 2 along δ and η: the known polynomial of degree two. The module ends as it began."""
    random = torch.Generator().manual_seed(0)
    module = nn.Linear(3, 2, bias=False).double()
    start = module.weight.detach().clone()
    target, first, second = (torch.randn(2, 3, generator=random, dtype=torch.float64) for _ in range(3))
    steps = np.array([-1.0, 0.0, 0.5, 2.0])

    def compute_loss() -> float:
        return float((module.weight.detach() - target).square().sum()) / 2

    told: list[int] = []
    found = walk(
        module, [{"weight": first}, {"weight": second}], steps, compute_loss, lambda done, of: told.append(done)
    )
    away = start - target
    expected = [
        [float((away + a * first + b * second).square().sum()) / 2 for a in steps] for b in steps
    ]  # the rows are steps along the second direction
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not np.allclose(found, np.array(expected).T)
    assert torch.equal(module.weight, start)
    assert told == list(range(1, 17))


def test_the_weights_come_back_after_an_interruption() -> None:
    module = nn.Linear(2, 2)
    start = module.weight.detach().clone()

    def stop() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        walk(module, [{"weight": torch.ones(2, 2)}, {"weight": torch.ones(2, 2)}], np.array([-1.0, 1.0]), stop)
    assert torch.equal(module.weight, start)


def make(losses: list[list[float]]) -> Surface:
    return Surface("net", "rows", "train", 8, 0, np.linspace(-1, 1, len(losses)), np.array(losses))


def test_what_is_told_of_a_surface() -> None:
    inf, nan = float("inf"), float("nan")
    found = make([[9, 9, 9, 9, inf], [9, 1, 9, 2, 9], [9, 9, 5, 9, 9], [9, 3, 9, 8, 9], [nan, 9, 9, 7, 6]])
    assert (found.centre, found.highest) == (5, 9)
    assert found.minima == 2, "1 and 2; beside 3 stands no number, and beside 5 and 8 something smaller"
    assert found.mean_at(0) == 5
    ring = make([[4, 4, 4, 4, 4], [4, 2, 1, 2, 4], [4, 1, 0, 1, 4], [4, 2, 1, 2, 4], [4, 4, 4, 4, 4]])
    assert ring.mean_at(0.5) == pytest.approx(1.5)  # four at 0.5, four at 0.71
    row = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert row["losses"][0][4] is None
    assert row["losses"][4][0] is None
    assert row["losses"][2][2] == 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 4}, "an odd number of points from 3 to 201, found 4"),
        ({"points": 203}, "found 203"),
        ({"span": 0.0}, "the span is above 0"),
        ({"images": 0}, "at least 1 image"),
    ],
)
def test_settings_that_make_no_sense(run: Run, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        measure_surface(run, **settings)


def test_far_away_a_loss_may_be_no_number(run: Run) -> None:
    """Weights of 1e30 overflow; the surface says so, and its centre is as it was."""
    large = {name: array * np.float32(1e30) if array.ndim > 1 else array for name, array in run.weights.items()}
    with pytest.raises(ArchspecError, match="so it has no surface"):
        measure_surface(replace(run, weights=large), points=3, images=8)
