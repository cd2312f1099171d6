"""Modules that move numbers, against torch's own indexing."""

from __future__ import annotations

import torch

from compiler.torch_target.moves import Roll, Slice


def test_slices_along_an_axis_from_either_end() -> None:
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert Slice(2, 1, None, 2)(x).equal(x[..., 1::2])
    assert Slice(-1, -3, -1, 1)(x).equal(x[..., -3:-1])
    assert repr(Slice(0, 1, None, 1)) == "Slice(dim=1, 1::1)"


def test_rolls_the_axes_of_space() -> None:
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert Roll((1, -2))(x).equal(torch.roll(x, (1, -2), (2, 3)))
    assert repr(Roll((0, 3))) == "Roll(dim 3: 3)"
