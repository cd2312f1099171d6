"""A module computes with other weights and has its own again; tensors of files lie as the weights do."""

from __future__ import annotations

import torch

from runtime.training.ranks import Ranks
from runtime.training.weight_storage import WeightStorage
from tests.support.training import make_net


def test_a_module_computes_with_other_weights() -> None:
    net, other, storage = make_net().eval(), make_net(seed=1).eval(), WeightStorage()
    image = torch.randn(2, 1, 4, 4)
    own, theirs = net(image), other(image)
    with storage.computing(net) as module:
        assert module is net
        assert torch.equal(module(image), own)
    with storage.computing(net, other.state_dict()) as module:
        assert torch.equal(module(image), theirs)
    assert torch.equal(net(image), own)
    assert not torch.equal(own, theirs)


def test_values_are_whole_and_lie_as_weights_do() -> None:
    net, storage = make_net(), WeightStorage()
    weight = next(net.parameters()).detach().contiguous(memory_format=torch.channels_last)
    values = torch.arange(weight.numel(), dtype=torch.float64).reshape(weight.shape)
    laid = storage.lay(values, weight)
    assert laid.stride() == weight.stride()
    assert laid.dtype == values.dtype
    assert torch.equal(laid, values)
    assert storage.gather(weight) is weight
    assert storage.collect({"weight": weight})["weight"] is weight
    assert storage.wrap(net, Ranks()) is net
