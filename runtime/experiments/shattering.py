"""Shattered gradients (Balduzzi et al., 2017; Prince, "Understanding Deep Learning", 2023, figure 11.3): how soon the
gradient of a fresh network's output has nothing to do any more with the gradient a little further on.

The network takes one vector x of D numbers. Where it gives more than one number, y is their sum with weights drawn from
N(0, 1), for which the squared gradient is on average that of all of them. The input walks along a random line,

    x(t) = √D (w + t u),  u and w orthogonal, of length one,

so that t = 0 is an input of unit mean square and t counts root mean squares; of a network of one input there is only
the line x(t) = ±t. With g(t) = ∂y/∂x at x(t), the correlation at the distance d is

    r(d) = Σ ⟨g(t), g(t + d)⟩ / √(Σ |g(t)|² Σ |g(t + d)|²),

over all lines of a network and all t for which both lie on the line; it is 1 at d = 0 and never larger. No mean is
taken off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.arrays import Float64Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.extras import extra
from archspec.ops import Kernel, in_words
from compiler.graph import Graph
from compiler.torch_target.modes import evaluating
from runtime.evaluation.monte_carlo import measuring
from runtime.training.module_outputs import name_outputs

with extra("train"):
    import torch
    from torch import Tensor, nn
    from torch.nn.modules.batchnorm import _BatchNorm

    from compiler.torch_target.initialize import generator_for
    from compiler.torch_target.module import to_torch


POINTS, SPAN, SEEDS = 257, 4.0, 20
"""The figure's line: x from -2 to 2."""

LINES = 8
"""The number of lines through the input space of each network that has more than one input."""

MAX_ROWS = 1024
"""The most inputs that go through the network at a time."""

NORMAL_INPUTS = 256
"""The number of standard normal inputs whose statistics batch normalization takes."""

MAX_POINTS = 10_001
"""The most points of a line."""

MAX_SPAN = 1e6
"""The longest line, in root mean squares of an input."""

MAX_SEEDS = 1000
"""The most fresh networks."""

MAX_NUMBERS = 1 << 27
"""The most numbers in all inputs of a network's lines (float64: 1 GiB); its gradients are as many again."""


@dataclass(frozen=True, eq=False)
class Shattering:
    """The gradient's correlation at each distance, its mean and standard deviation over fresh networks of one spec, a
    network for each seed. `dead` of them had no gradient anywhere on their lines, and count in neither."""

    name: str
    inputs: int
    lines: int
    seeds: int
    dead: int
    distances: Float64Array
    correlation: Float64Array
    deviation: Float64Array

    def distance_at(self, level: float) -> float | None:
        """The first distance at which the mean correlation is at most `level`, between measured ones on a straight
        line; None where it stays above."""
        below = np.flatnonzero(self.correlation <= level)
        if not len(below):
            return None
        end = int(below[0])
        if not end:
            return 0.0
        (x0, x1), (y0, y1) = self.distances[end - 1 : end + 1], self.correlation[end - 1 : end + 1]
        return float(x0 + (x1 - x0) * (y0 - level) / (y0 - y1))

    def to_dict(self) -> dict[str, Any]:
        row: dict[str, Any] = {key: getattr(self, key) for key in ("name", "inputs", "lines", "seeds", "dead")}
        row |= {"half_distance": self.distance_at(0.5)}
        return row | {key: getattr(self, key).tolist() for key in ("distances", "correlation", "deviation")}


def measure_shattering(
    graph: Graph,
    *,
    points: int = POINTS,
    span: float = SPAN,
    seeds: int = SEEDS,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> Shattering:
    """Measure the correlation on `seeds` fresh networks in float64, of `seed` and the numbers after it, at `points`
    equally spaced inputs of lines of length `span`, for distances up to half of it.

    The networks start as the spec says, but for biases, drawn from N(0, 1/fan-in) as in the figure: the output of a
    ReLU network whose biases are all zero has but one kink along x(t) = t. Batch normalization has the statistics of
    standard normal inputs; dropout and its like their expected form.

    Raises InputError where the network does not take one vector, or no network has a gradient.
    """
    size = count_inputs(graph)
    _check_settings(points, span, seeds)
    lines = LINES if size > 1 else 1
    if lines * points * size > MAX_NUMBERS:
        raise InputError(
            f"{lines} lines of {points:,} points with {size:,} numbers each are too many; choose fewer points"
        )
    curves = []
    for number in range(seed, seed + seeds):
        module = build_network(graph, number)
        inputs = draw_lines(size, lines, points, span, number)
        curves.append(correlate(compute_gradients(module, inputs, number)))
        on_step(number - seed + 1, seeds)
    alive = np.array([curve for curve in curves if curve is not None])
    if not len(alive):
        raise InputError(f"no gradient of {graph.name} reaches its input in any of {seeds} fresh networks")
    distances = span / (points - 1) * np.arange(alive.shape[1], dtype=np.float64)
    return Shattering(graph.name, size, lines, seeds, seeds - len(alive), distances, alive.mean(0), alive.std(0))


def build_network(graph: Graph, seed: int) -> nn.Module:
    """Build a fresh network in float64 and evaluation mode, with biases and the statistics of normal inputs."""
    module = to_torch(graph, seed=seed).double().eval()
    state = module.state_dict()
    for node in graph:
        if isinstance(node.op, Kernel) and node.op.bias:
            home = node.home
            fan_in = graph.weights[f"{home}.weight"].fan_in
            state[f"{home}.bias"].normal_(0, fan_in**-0.5, generator=generator_for(seed, f"{home}.drawn_bias"))
    layers = {name: part for name, part in module.named_modules() if isinstance(part, _BatchNorm)}
    (shape,) = (node.shape for node in graph.inputs.values())
    normal = torch.randn(NORMAL_INPUTS, *shape, generator=generator_for(seed, "normal"), dtype=torch.float64)
    with measuring(layers), evaluating(module):
        module(normal)
    return module


def draw_lines(size: int, lines: int, points: int, span: float, seed: int) -> Tensor:
    """Draw inputs along random lines, (lines, points, size)."""
    steps = torch.linspace(-span / 2, span / 2, points, dtype=torch.float64)
    generator = generator_for(seed, "lines")
    drawn = torch.randn(lines, size, min(2, size), generator=generator, dtype=torch.float64)
    axes = torch.linalg.qr(drawn).Q * size**0.5
    inputs: Tensor = steps[None, :, None] * axes[:, None, :, 0]
    return inputs + axes[:, None, :, 1] if size > 1 else inputs


def compute_gradients(module: nn.Module, inputs: Tensor, seed: int = 0) -> Float64Array:
    """Compute ∂y/∂x at each input, (lines, points, size); y sums the network's numbers with weights from N(0, 1)."""
    found = []
    for rows in torch.split(inputs.flatten(0, 1), MAX_ROWS):
        rows = rows.clone().requires_grad_(True)
        values = torch.cat([output.flatten(1) for output in name_outputs(module(rows)).values()], 1)
        count = values.shape[1]
        weights = torch.randn(count, generator=generator_for(seed, "outputs"), dtype=torch.float64)
        total = (values @ weights if count > 1 else values).sum()
        found.append(torch.autograd.grad(total, rows)[0])
    gradients: Float64Array = torch.cat(found).reshape(inputs.shape).numpy()
    if not np.isfinite(gradients).all():
        raise InputError("the gradient is not finite: the network's numbers leave what float64 holds")
    return gradients


def correlate(gradients: Float64Array) -> Float64Array | None:
    """Compute r at each distance up to half a line, in steps between points, for gradients (lines, points, size); None
    where all are zero."""
    if not gradients.any():
        return None
    squares = np.square(gradients).sum((0, 2))
    count = len(squares)
    curve = np.zeros((count + 1) // 2)
    for lag in range(len(curve)):
        product = (gradients[:, : count - lag] * gradients[:, lag:]).sum()
        norm = np.sqrt(squares[: count - lag].sum() * squares[lag:].sum())
        curve[lag] = product / norm if norm else 0.0
    return curve


def count_inputs(graph: Graph) -> int:
    """Count the inputs of a network that takes one vector. Raises InputError for another."""
    shapes = [node.shape for node in graph.inputs.values()]
    if len(shapes) != 1 or shapes[0].rank:
        raise InputError(
            f"{graph.name} takes {in_words(shapes)}; a line through the inputs needs one vector, as in "
            "`inputs: {x: [100]}`"
        )
    if graph.rows:
        raise InputError(f"{graph.name} takes a whole number, and a line through the inputs needs any numbers")
    return shapes[0].channels


def _check_settings(points: int, span: float, seeds: int) -> None:
    if not 3 <= points <= MAX_POINTS:
        raise InputError(f"a line has 3 to {MAX_POINTS:,} points, found {points}")
    if not 0 < span <= MAX_SPAN:
        raise InputError(f"the range of a line is above 0 and at most 1,000,000, found {span:g}")
    if not 1 <= seeds <= MAX_SEEDS:
        raise InputError(f"1 to {MAX_SEEDS:,} seeds, found {seeds}")
