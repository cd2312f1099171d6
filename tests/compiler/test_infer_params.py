"""The params that weights were trained with are found again from their shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from archspec.spec.load import load
from compiler.elaborate.elaborate import elaborate
from compiler.infer_params import infer_params
from compiler.mismatch import WeightShapes


def shapes(source: str | Path, params: dict[str, Any]) -> WeightShapes:
    return {name: weight.shape for name, weight in elaborate(load(source, params)).weights.items()}


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("resnet18", {"classes": 10}),
        ("resnet_digits", {"widths": [8, 12, 20]}),
        ("resnet_digits", {"widths": [8, 12, 20], "classes": 7}),
        ("residual_mlp", {"width": 40}),
        ("residual_mlp", {"blocks": 9}),
        ("unet", {"widths": [8, 16, 32, 64]}),
        ("densenet_bc_100_12", {"growth": 10}),
        ("densenet_bc_100_12", {"layers": 4}),
    ],
)
def test_params_are_found_again(name: str, params: dict[str, Any]) -> None:
    spec = load(name)
    found = shapes(name, params)
    assert infer_params(spec, shapes(name, {}), found, {}) == params


def test_nothing_is_claimed_where_no_params_fit() -> None:
    found = dict(shapes("resnet_digits", {"classes": 7}))
    assert infer_params(load("resnet_digits"), shapes("resnet_digits", {}), found, {}) == {"classes": 7}
    found["conv_0.weight"] = (*found["conv_0.weight"][:-1], 5)
    assert infer_params(load("resnet_digits"), shapes("resnet_digits", {}), found, {}) is None
