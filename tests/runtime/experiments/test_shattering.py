"""The gradient's autocorrelation: its gradients against finite differences, its correlations against numpy's, and the
order of figure 11.3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archspec.api import elaborate, load
from archspec.errors import ArchspecError
from compiler.graph import Graph
from runtime.experiments.shattering import (
    LINES,
    Shattering,
    build_network,
    compute_gradients,
    correlate,
    draw_lines,
    measure_shattering,
)
from tests.support.runs import build

FIGURE = Path(__file__).parents[3] / "docs/analysis/figure_11_3.yaml"
TOLERANCE = 1e-6
"""Of central differences in float64 with steps of 1e-5, where no kink lies between."""


def figure(**params: Any) -> Graph:
    return elaborate(load(FIGURE, params))


def differentiate(module: torch.nn.Module, x: torch.Tensor, weights: np.ndarray) -> np.ndarray:
    """Central differences of the weighted sum of the outputs at one input."""
    size, step = len(x), 1e-5
    ends = torch.cat([x + step * torch.eye(size, dtype=x.dtype), x - step * torch.eye(size, dtype=x.dtype)])
    with torch.no_grad():
        values = module(ends).numpy() @ weights
    return (values[:size] - values[size:]) / (2 * step)


def test_gradients_are_finite_differences() -> None:
    module = build_network(figure(inputs=3, width=12, layers=3, skip=True), 0)
    inputs = draw_lines(3, 2, 5, 4.0, 0)
    found = compute_gradients(module, inputs)
    expected = np.array([[differentiate(module, x, np.ones(1)) for x in line] for line in inputs])
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    other = compute_gradients(build_network(figure(inputs=3, width=12, layers=3, skip=True), 1), inputs)
    assert np.abs(other - expected).max() > 1000 * TOLERANCE, "the control: another network"


def test_several_numbers_count_by_fixed_random_weights(tmp_path: Path) -> None:
    """Of y = W x the gradient is a fixed mixture of the rows of W."""
    module = build_network(build(tmp_path, [{"linear": 4}], [3]), 0)
    found = compute_gradients(module, draw_lines(3, 2, 5, 4.0, 0))
    rows = module.get_parameter("linear_0.weight").detach().numpy()
    mixture = np.linalg.lstsq(rows.T, found[0, 0], rcond=None)[0]
    np.testing.assert_allclose(np.broadcast_to(rows.T @ mixture, found.shape), found, atol=1e-12)
    assert np.ptp(found.reshape(-1, 3), axis=0).max() < 1e-12


def test_lines_pass_inputs_of_unit_mean_square() -> None:
    inputs = draw_lines(50, 3, 9, 4.0, 0)
    np.testing.assert_allclose(inputs[:, 4].pow(2).mean(-1), 1)
    np.testing.assert_allclose((inputs[:, 1:] - inputs[:, :-1]).pow(2).mean(-1).sqrt(), 0.5)
    np.testing.assert_allclose(((inputs[:, -1] - inputs[:, 0]) * inputs[:, 4]).sum(-1), 0, atol=1e-9)
    assert not np.allclose(inputs[0], inputs[1])
    np.testing.assert_allclose(draw_lines(1, 1, 5, 4.0, 0).abs().ravel(), [2, 1, 0, 1, 2])


def test_biases_are_drawn_and_nothing_else_is_changed() -> None:
    graph = figure(inputs=2, width=400, layers=2)
    state, fresh = build_network(graph, 3).state_dict(), build_network(graph, 3).state_dict()
    assert all(torch.equal(state[name], fresh[name]) for name in state)
    assert float(state["repeat_0.i0.when_0.linear_0.bias"].std()) == pytest.approx(400**-0.5, rel=0.1)
    assert float(state["linear_0.bias"].std()) == pytest.approx(2**-0.5, rel=0.1)
    assert float(state["linear_0.weight"].std()) == pytest.approx(1, rel=0.1)  # He, fan-in 2


def test_normalizations_have_the_statistics_of_normal_inputs(tmp_path: Path) -> None:
    graph = build(tmp_path, [{"linear": 6}, "norm", "relu", {"linear": 6}, "norm", {"linear": 1}], [5])
    module = build_network(graph, 0)
    seen: list[torch.Tensor] = []
    module.get_submodule("norm_1").register_forward_hook(lambda layer, inputs, output: seen.append(output))
    module(torch.randn(20_000, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    np.testing.assert_allclose(seen[0].mean(0).detach(), 0, atol=0.35)
    np.testing.assert_allclose(seen[0].std(0).detach(), 1, atol=0.35)
    assert not any(torch.equal(value, torch.zeros_like(value)) for value in module.buffers())


def test_correlations_are_those_of_numpy() -> None:
    """Against numpy's own sums of lagged products, for one line of scalars."""
    gradient = np.random.default_rng(0).standard_normal(21)
    found = correlate(gradient[None, :, None])
    assert found is not None
    assert len(found) == 11
    for lag in range(11):
        head, tail = gradient[: 21 - lag], gradient[lag:]
        product = np.correlate(gradient, gradient, "full")[20 + lag]
        assert found[lag] == pytest.approx(product / (np.linalg.norm(head) * np.linalg.norm(tail)))
    rows = np.stack([gradient, np.zeros(21)])[:, :, None]
    assert correlate(rows) == pytest.approx(found), "a line without gradient adds nothing"
    assert correlate(np.zeros((2, 5, 3))) is None


def test_known_correlations() -> None:
    turning = np.stack([np.cos(np.arange(9)), np.sin(np.arange(9))], -1)[None]
    assert correlate(turning) == pytest.approx(np.cos(np.arange(5)))
    alternating = np.array([1.0, -1, 1, -1, 1])[None, :, None]
    assert correlate(alternating) == pytest.approx([1, -1, 1])


def test_a_linear_networks_gradient_never_changes(tmp_path: Path) -> None:
    found = measure_shattering(build(tmp_path, [{"linear": 7}, {"linear": 3}], [4]), points=9, seeds=2)
    assert found.correlation == pytest.approx(1)
    assert found.distance_at(0.5) is None


@pytest.mark.parametrize("seeds", [range(4), range(4, 8)], ids=["first", "second"])
def test_shallow_residual_deep(seeds: range) -> None:
    """Figure 11.3 of Prince (2023): a shallow network's gradients stay alike, a deep one's do not; with skip
    connections (Balduzzi et al., 2017) they are between. Averaged over four seeds, at three distances."""
    curves = {}
    for name, graph in (
        ("shallow", figure(layers=1)),
        ("residual", figure(skip=True)),
        ("deep", figure()),
    ):
        lines = [draw_lines(100, LINES, 33, 4.0, seed) for seed in seeds]
        found = [
            correlate(compute_gradients(build_network(graph, seed), line, seed))
            for seed, line in zip(seeds, lines, strict=True)
        ]
        curves[name] = np.mean(np.array(found), 0)
    for lag in (1, 2, 4):  # distances 1/8, 1/4, 1/2
        assert curves["shallow"][lag] > 0.85
        assert curves["shallow"][lag] > curves["residual"][lag] + 0.1
        assert curves["residual"][lag] > curves["deep"][lag] + 0.05
    assert curves["deep"][-1] < 0.15


def test_one_input_has_one_line() -> None:
    found = measure_shattering(figure(inputs=1, width=50, layers=1), points=17, seeds=3)
    assert (found.inputs, found.lines, found.seeds, found.dead) == (1, 1, 3, 0)
    assert found.correlation[0] == pytest.approx(1)
    assert found.deviation[0] == pytest.approx(0)
    np.testing.assert_allclose(found.distances, np.arange(9) / 4)
    assert np.abs(found.correlation).max() <= 1 + 1e-12


def test_the_same_seeds_give_the_same_curve_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    one = measure_shattering(figure(width=10, layers=2), points=9, seeds=2, on_step=lambda *step: told.append(step))
    torch.manual_seed(5)
    two = measure_shattering(figure(width=10, layers=2), points=9, seeds=2)
    np.testing.assert_array_equal(one.correlation, two.correlation)
    assert told == [(1, 2), (2, 2)]


def test_a_dead_network_is_counted_and_left_out(tmp_path: Path) -> None:
    """One ReLU unit: for some seeds it is off along the whole of every line."""
    graph = build(tmp_path, [{"linear": 1}, "relu", {"linear": 1}], [1])
    found = measure_shattering(graph, points=9, span=0.1, seeds=12)
    assert 0 < found.dead < 12
    assert np.isfinite(found.correlation).all()


def test_where_the_correlation_falls_below_a_level() -> None:
    curve = np.array([1.0, 0.6, 0.2, 0.3])
    found = Shattering("net", 1, 1, 1, 0, np.arange(4.0), curve, np.zeros(4))
    assert found.distance_at(0.5) == pytest.approx(1.25)
    assert found.distance_at(0.1) is None
    assert found.distance_at(1.0) == 0
    row = found.to_dict()
    assert row["half_distance"] == pytest.approx(1.25)
    assert row["correlation"] == curve.tolist()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"points": 2}, "a line has 3 to 10,001 points, found 2"),
        ({"span": 0.0}, "the range of a line is above 0"),
        ({"span": float("nan")}, "the range of a line is above 0"),
        ({"seeds": 0}, "1 to 1,000 seeds, found 0"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ArchspecError, match=message):
        measure_shattering(figure(width=4, layers=1), **settings)


def test_networks_without_one_vector(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="resnet_digits takes 1×8×8; a line through the inputs needs one vector"):
        measure_shattering(elaborate(load("resnet_digits")))
    with pytest.raises(ArchspecError, match="no gradient of net reaches its input in any of 2 fresh networks"):
        measure_shattering(build(tmp_path, [{"scale": 0}], [3]), points=5, seeds=2)
    with pytest.raises(ArchspecError, match="8 lines of 257 points with 1,000,000 numbers each are too many"):
        measure_shattering(build(tmp_path, ["relu"], [1_000_000]))
    with pytest.raises(ArchspecError, match="the gradient is not finite"):
        measure_shattering(build(tmp_path, [{"scale": 3e38}] * 10, [3]), points=5, seeds=2)
