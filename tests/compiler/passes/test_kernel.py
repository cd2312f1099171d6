"""Layers that take a function of their operand's or their result's channels into their kernel, against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from archspec.api import to_torch
from archspec.errors import ArchspecError
from archspec.ops import Conv, ConvTranspose, Kernel, Linear, Shape
from compiler.passes.affine import Affine
from compiler.passes.kernel import round_to, take_before, take_behind, takes_before
from tests.support.lowering import graph_of, stir

MAP = Shape(4, 6, 6)
LAYERS: list[tuple[Kernel, Shape]] = [
    (Conv(out=6, padding=0), MAP),
    (Conv(out=6, groups=2, bias=False, padding=0), MAP),
    (ConvTranspose(out=6, kernel=1, stride=1, groups=2), MAP),
    (Linear(out=6), Shape(4)),
    (Linear(out=6, bias=False), Shape(4)),
]
each = pytest.mark.parametrize(("op", "x"), LAYERS, ids=[str(op) for op, _ in LAYERS])


def draw(channels: int) -> Affine:
    rng = np.random.default_rng(channels)
    return Affine(rng.uniform(-2, 2, channels), rng.uniform(-1, 1, channels))


def apply(affine: Affine, x: torch.Tensor) -> torch.Tensor:
    shape = (1, -1, *[1] * (x.dim() - 2))
    return torch.from_numpy(affine.factor.reshape(shape)) * x + torch.from_numpy(affine.term.reshape(shape))


def run(op: Kernel, x: Shape, arrays: dict[str, Any], value: torch.Tensor) -> torch.Tensor:
    module = to_torch(graph_of(op, x)).double()
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    with torch.no_grad():
        result: torch.Tensor = module(value)
    return result


def start(op: Kernel, x: Shape) -> tuple[dict[str, Any], torch.Tensor]:
    torch.manual_seed(0)
    module = stir(to_torch(graph_of(op, x))).double()
    return {name: value.numpy() for name, value in module.state_dict().items()}, torch.randn(2, *x, dtype=torch.float64)


@each
def test_takes_what_follows(op: Kernel, x: Shape) -> None:
    arrays, value = start(op, x)
    expected = apply(draw(6), run(op, x, arrays, value))
    node = take_behind(graph_of(op, x)["op"], op, draw(6), arrays)
    assert isinstance(node.op, Kernel)
    assert node.op.bias
    assert torch.allclose(run(node.op, x, arrays, value), expected)


@each
def test_takes_what_goes_before(op: Kernel, x: Shape) -> None:
    arrays, value = start(op, x)
    assert takes_before(op, draw(4), x)
    expected, untouched = run(op, x, arrays, apply(draw(4), value)), run(op, x, arrays, value)
    node = take_before(graph_of(op, x)["op"], op, draw(4), arrays)
    assert isinstance(node.op, Kernel)
    assert torch.allclose(run(node.op, x, arrays, value), expected)
    assert not torch.allclose(untouched, expected, atol=1e-2)


@pytest.mark.parametrize(
    "op", [Conv(out=6), ConvTranspose(out=6), ConvTranspose(out=6, kernel=3, stride=1, padding=1)], ids=str
)
def test_where_not_all_taps_are_summed_factors_are_taken_alone(op: Kernel) -> None:
    arrays, value = start(op, MAP)
    affine = draw(4)
    factors = Affine(affine.factor, np.zeros(4))
    assert not takes_before(op, affine, MAP)
    assert takes_before(op, factors, MAP)
    expected, right = run(op, MAP, arrays, apply(affine, value)), run(op, MAP, arrays, apply(factors, value))
    scaled, both = dict(arrays), dict(arrays)
    take_before(graph_of(op, MAP)["op"], op, factors, scaled)
    assert torch.allclose(run(op, MAP, scaled, value), right)
    if isinstance(op, Conv):  # the control: with the terms the border is wrong
        take_before(graph_of(op, MAP)["op"], op, affine, both)
        assert not torch.allclose(run(op, MAP, both, value), expected, atol=1e-2)


def test_rounds_to_the_nearest_and_refuses_what_is_too_large() -> None:
    values: NDArray[np.float64] = np.array([0.1, -3.0])
    assert round_to(np.dtype(np.float32), values, "w").tolist() == [float(np.float32(0.1)), -3.0]
    with pytest.raises(ArchspecError, match=r"w becomes infinite in float16 .*; its largest number is 1e\+05"):
        round_to(np.dtype(np.float16), np.array([1e5]), "w")
