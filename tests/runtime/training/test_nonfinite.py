"""The first node whose output is not finite is found, and the images that brought it about."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.api import to_torch
from compiler.torch_target.module import NODE
from runtime.training.nonfinite import NonfinitePlace, find_nonfinite
from tests.support.runs import build

FIRST, SECOND = ({"conv": {"out": 4, "name": name}} for name in ("first", "second"))
NETWORK: list[Any] = [FIRST, "norm", "relu", SECOND, "global_avg_pool", "flatten", {"linear": 3}]


def nothing() -> None:
    pass


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return to_torch(build(tmp_path_factory.mktemp("net"), NETWORK, [1, 6, 6])).train()


def test_each_node_of_a_spec_knows_its_name(module: Any) -> None:
    named = [node.meta.get(NODE) for node in module.graph.nodes if node.op == "call_module"]
    assert named[:4] == ["first", "norm_0", "relu_0", "second"]


def test_where_all_is_finite_there_is_none(module: Any) -> None:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    assert find_nonfinite(module, torch.randn(4, 1, 6, 6), nothing) is None
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_the_images_themselves_come_first(module: Any) -> None:
    images = torch.randn(4, 1, 6, 6)
    images[1, 0, 2, 3], images[3] = torch.nan, torch.inf
    found = find_nonfinite(module, images, nothing)
    assert found == NonfinitePlace("the images", (1, 3))
    assert (
        found.describe(["a", "b", "c", "d"]) == "the first that is not finite is the images, for 2 of 4 images (b, d)"
    )


def test_the_node_that_overflows_is_named(module: Any) -> None:
    """Its kernel is infinite; what comes after it is not finite either, and is not named."""
    with torch.no_grad():
        kept = module.get_submodule("second").weight.clone()
        module.get_submodule("second").weight.mul_(torch.inf)
    try:
        found = find_nonfinite(module, torch.randn(3, 1, 6, 6), nothing)
    finally:
        module.get_submodule("second").weight.data.copy_(kept)
    assert found is not None
    assert (found.node, found.rows) == ("'second'", (0, 1, 2))


def test_an_image_that_is_too_bright_is_found_before_normalization_mixes_all(module: Any) -> None:
    images = torch.randn(4, 1, 6, 6)
    images[2] = 3e38
    found = find_nonfinite(module, images, nothing)
    assert found is not None
    assert (found.node, found.rows) == ("'first'", (2,))


def test_other_modules_are_followed_too_and_masks_are_not_blamed() -> None:
    """What is masked out is -inf; the layer behind it divides by zero."""

    class Masking(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.masked_fill(x > 0, -torch.inf)

    class Dividing(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"y": x.softmax(1) / 0}

    net = nn.Sequential(nn.Linear(4, 4), Masking(), Dividing())
    found = find_nonfinite(net, torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), nothing)
    assert found is not None
    assert found.node == "'2'"
    masked = find_nonfinite(nn.Sequential(nn.Linear(4, 4), Masking()), torch.randn(3, 4), nothing)
    assert masked is not None
    assert masked.node == "'1'"


def test_the_same_numbers_are_drawn_again() -> None:
    class Drawing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x / (torch.rand(1) > 0.5)

    draws = [partial(torch.manual_seed, seed) for seed in range(20)]
    spoiled = [find_nonfinite(Drawing(), torch.ones(2, 2), draw) is not None for draw in draws]
    assert spoiled == [bool(torch.rand(1, generator=torch.Generator().manual_seed(seed)) <= 0.5) for seed in range(20)]
