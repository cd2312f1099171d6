"""The loss around a trained network, along two random directions (Li et al., "Visualizing the Loss Landscape of Neural
Nets", 2018; Prince, "Understanding Deep Learning", 2023, figure 11.13).

A direction is drawn from N(0, 1) for every kernel and matrix and normalized by filter: what makes one output of a layer
has in the direction the norm that it has in the network, so that networks of other scales compare. Biases, and the
factors and terms of normalizations, stay as they are (the paper does the same), and normalizations keep the statistics
of training. At (a, b) the weights are θ + a δ + b η.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from archspec.arrays import Float64Array
from archspec.callbacks import OnStep, ignore_step
from archspec.errors import InputError
from archspec.extras import extra
from archspec.ops import ConvTranspose
from compiler.graph import Graph
from runtime.training.run import Run

with extra("train"):
    import torch
    from torch import Tensor, nn

    from compiler.torch_target.initialize import generator_for


POINTS, SPAN, IMAGES = 25, 1.0, 512

MAX_POINTS = 201
"""The most points of a side of the grid."""

MAX_SPAN = 1000
"""The largest distance from the trained weights, in their own norms."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The mean loss over `images` images of the `part` ("train" or "test") of the data, as training reports it of
    held-out images: without label smoothing. `losses[i, j]` is that at `steps[i]` along the second direction and
    `steps[j]` along the first; inf or NaN where the numbers left what float32 holds."""

    name: str
    data: str
    part: str
    images: int
    seed: int
    steps: Float64Array
    losses: Float64Array

    @property
    def centre(self) -> float:
        """The loss of the trained network."""
        middle = len(self.steps) // 2
        return float(self.losses[middle, middle])

    @property
    def highest(self) -> float:
        """The largest finite loss."""
        return float(self.losses[np.isfinite(self.losses)].max())

    def mean_at(self, radius: float) -> float:
        """The mean loss over the points at most half a step nearer to the centre, or farther, than `radius`."""
        distances = np.hypot(*np.meshgrid(self.steps, self.steps))
        half = (self.steps[1] - self.steps[0]) / 2
        return float(self.losses[np.abs(distances - radius) <= half].mean())

    @property
    def minima(self) -> int:
        """The number of points, but at the grid's edge, with a smaller loss than each of their eight neighbours."""
        inner = self.losses[1:-1, 1:-1]
        count = len(self.steps)
        around = [
            self.losses[i : count - 2 + i, j : count - 2 + j] for i in range(3) for j in range(3) if (i, j) != (1, 1)
        ]
        return int(np.logical_and.reduce([inner < other for other in around]).sum())

    def to_dict(self) -> dict[str, Any]:
        """Give the surface as plain values; losses that are not finite are null."""
        row: dict[str, Any] = {key: getattr(self, key) for key in ("name", "data", "part", "images", "seed")}
        row |= {"centre": self.centre, "minima": self.minima, "steps": self.steps.tolist()}
        return row | {"losses": [[x if np.isfinite(x) else None for x in line] for line in self.losses.tolist()]}


def measure_surface(
    run: Run,
    *,
    points: int = POINTS,
    span: float = SPAN,
    images: int = IMAGES,
    held_out: bool = False,
    seed: int = 0,
    on_step: OnStep = ignore_step,
) -> Surface:
    """Measure the loss on a grid of `points` by `points` from -`span` to `span`, with the centre on the grid.

    On `images` random training images, as the surface that training walked on, or on all held-out images. Raises
    InputError where the settings make no sense, the network has no kernels, or the centre has no finite loss.
    """
    _check_settings(points, span, images)
    split = run.data.held_out if held_out else run.draw_training(images, seed)
    module = run.build_module()
    directions = [draw_direction(run.graph, run.weights, seed, number) for number in (0, 1)]
    steps = np.linspace(-span, span, points)
    steps[points // 2] = 0.0

    def compute_loss() -> float:
        return run.measure(module, split)[0]

    with np.errstate(over="ignore", invalid="ignore"):
        losses = walk(module, directions, steps, compute_loss, on_step)
    part = "test" if held_out else "train"
    surface = Surface(run.graph.name, run.data.name, part, len(split), seed, steps, losses)
    if not np.isfinite(surface.centre):
        raise InputError(f"{run.folder}: the loss of the trained network is {surface.centre}, so it has no surface")
    return surface


def draw_direction(graph: Graph, weights: Mapping[str, Any], seed: int, number: int) -> dict[str, Tensor]:
    """Draw a random direction by the names of the weights that it moves; each filter has the norm of the network's own.

    Raises InputError where the network has neither kernels nor matrices.
    """
    direction = {}
    for node in graph:
        for name, weight in graph.weights_of(node).items():
            if weight.trainable and len(weight.shape) > 1:
                drawn = torch.randn(weight.shape, generator=generator_for(seed, f"direction {number} of {name}"))
                groups = node.op.groups if isinstance(node.op, ConvTranspose) else 0
                own = torch.from_numpy(np.array(weights[name]))
                direction[name] = drawn * measure_filters(own, groups) / measure_filters(drawn, groups)
    if not direction:
        raise InputError(f"{graph.name} has neither kernels nor matrices, which the directions move")
    return direction


def measure_filters(kernel: Tensor, groups: int = 0) -> Tensor:
    """Measure the norm of all that makes one output, in the kernel's shape: (out, ...), or with `groups` that of a
    transposed convolution, (in, out / groups, ...)."""
    rows = kernel.reshape(groups, -1, *kernel.shape[1:]) if groups else kernel
    along = [axis for axis in range(rows.dim()) if axis not in ((0, 2) if groups else (0,))]
    norms: Tensor = torch.linalg.vector_norm(rows, dim=along, keepdim=True)
    return norms.expand_as(rows).reshape(kernel.shape)


def walk(
    module: nn.Module,
    directions: list[dict[str, Tensor]],
    steps: Float64Array,
    compute_loss: Callable[[], float],
    on_step: OnStep = ignore_step,
) -> Float64Array:
    """Compute the loss at each pair of steps, (second direction, first direction); the module ends as it began."""
    losses = np.zeros((len(steps), len(steps)))
    with _moving(module, directions) as move:
        for done, (i, j) in enumerate(np.ndindex(losses.shape), start=1):
            move(float(steps[j]), float(steps[i]))
            losses[i, j] = compute_loss()
            on_step(done, losses.size)
    return losses


@contextmanager
def _moving(module: nn.Module, directions: list[dict[str, Tensor]]) -> Iterator[Callable[..., None]]:
    """A function that sets the weights to θ + a δ + b η; afterwards they are θ again."""
    own = {name: value for name, value in module.named_parameters() if name in directions[0]}
    start = {name: value.detach().clone() for name, value in own.items()}

    def move(*distances: float) -> None:
        with torch.no_grad():
            for name, value in own.items():
                value.copy_(start[name])
                for distance, direction in zip(distances, directions, strict=True):
                    value.add_(direction[name], alpha=distance)

    try:
        yield move
    finally:
        move(*[0.0] * len(directions))


def _check_settings(points: int, span: float, images: int) -> None:
    if not (3 <= points <= MAX_POINTS and points % 2):
        raise InputError(f"a side of the grid has an odd number of points from 3 to {MAX_POINTS}, found {points}")
    if not 0 < span <= MAX_SPAN:
        raise InputError(f"the span is above 0 and at most 1,000 times the weights, found {span:g}")
    if images < 1:
        raise InputError(f"a loss needs at least 1 image, found {images}")
