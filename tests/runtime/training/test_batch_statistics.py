"""The normalization that processes share, against torch's own, and what cannot share."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from archspec.errors import InputError
from compiler.torch_target.normalization import BatchNorm, GhostBatchNorm
from runtime.training.batch_statistics import _normalize, sharing_statistics
from runtime.training.ranks import Ranks


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 7), (4, 3, 5, 2), (2, 3, 4, 3, 2)])
def test_outputs_gradients_and_statistics_are_torchs(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    own, torchs = BatchNorm(3, 1e-5, 0.1, True), BatchNorm(3, 1e-5, 0.1, True)
    own.forward = partial(_normalize, own, Ranks())  # type: ignore[method-assign]
    found, slope = [], torch.randn(shape)
    images = 3 * torch.randn(shape) + 1
    for part in (own, torchs):
        x = images.clone().requires_grad_()
        outputs: Tensor = part(x)
        (outputs * slope).sum().backward()
        found.append([outputs, x.grad, part.weight.grad, part.bias.grad, part.running_mean, part.running_var])
    for mine, expected in zip(*found, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)
    own.eval(), torchs.eval()
    assert torch.allclose(own(images), torchs(images), rtol=1e-5)


def test_a_network_is_as_before_when_it_was_trained() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2))
    with sharing_statistics(network, Ranks(0, 2), wanted=True):
        assert "forward" in network[0].__dict__
    assert "forward" not in network[0].__dict__
    with sharing_statistics(network, Ranks(0, 2), wanted=False):
        assert "forward" not in network[0].__dict__


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Sequential(nn.Linear(2, 2)), "the network has no BatchNorm"),
        (nn.Sequential(GhostBatchNorm(2, 1e-5, 0.1, True, 4)), "'0' is GhostBatchNorm, whose statistics are not"),
    ],
)
def test_what_cannot_share_is_told(network: nn.Module, words: str) -> None:
    with pytest.raises(InputError, match=words), sharing_statistics(network, Ranks(0, 2), wanted=True):
        pass
