"""Autocast computes in the type that a recipe says, and kernels lie as it says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from archspec.errors import InputError
from runtime.recipes.recipe import Recipe
from runtime.training import precision
from runtime.training.precision import Precision, lay_images, lay_out

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("word", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_outputs_are_computed_in_the_type(word: str, dtype: torch.dtype) -> None:
    layer = nn.Linear(4, 4)
    with Precision(Recipe.model_validate({"precision": word}), CPU).computing():
        assert layer(torch.ones(2, 4)).dtype == dtype
    assert layer.weight.dtype == torch.float32


def test_what_is_to_be_found_yet_is_refused() -> None:
    with pytest.raises(InputError, match="precision: auto is found"):
        Precision(Recipe(precision="auto"), CPU)
    with pytest.raises(InputError, match="memory_format: auto is found"):
        lay_out(nn.Linear(1, 1), Recipe(memory_format="auto"))


@pytest.mark.parametrize("instructions", [("avx2",), ()])
def test_channels_lie_last_where_that_is_safe(instructions: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "read_instructions", lambda: instructions)
    net = nn.Conv2d(4, 8, 3)
    with pytest.raises(InputError, match="channels_last is not for this CPU: without AVX-512"):
        lay_out(net, Recipe(memory_format="channels_last"))
    assert net.weight.is_contiguous()
    monkeypatch.setattr(precision, "read_instructions", lambda: ("avx2", "avx512"))
    lay_out(net, Recipe(memory_format="channels_last"))
    assert not net.weight.is_contiguous()


def test_channels_lie_last_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "read_instructions", lambda: ("avx512",))
    net = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv3d(4, 8, 3), nn.Linear(4, 4))
    before = [weight.detach().clone() for weight in net.parameters()]
    lay_out(net, Recipe())
    assert all(weight.is_contiguous() for weight in net.parameters())
    lay_out(net, Recipe(memory_format="channels_last"))
    first, second = (weight for weight in net.parameters() if weight.ndim > 3)
    assert first.is_contiguous(memory_format=torch.channels_last)
    assert second.is_contiguous(memory_format=torch.channels_last_3d)
    assert all(torch.equal(weight, old) for weight, old in zip(net.parameters(), before, strict=True))
    gray = torch.randn(2, 1, 5, 5)
    assert lay_images(gray, Recipe(memory_format="channels_last")) is gray
    images = torch.randn(2, 3, 5, 5)
    assert lay_images(images, Recipe()) is images
    assert lay_images(images, Recipe(memory_format="channels_last")).is_contiguous(memory_format=torch.channels_last)
