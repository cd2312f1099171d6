"""The shake-shake network against one in plain torch, and what it does while it trains."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archspec.api import elaborate, load, to_torch
from compiler.analysis.cost.cost import measure_cost
from tests.support.lowering import TOLERANCE, difference, run_torch, sample_inputs, stir


def conv_norm(ins: int, out: int, kernel: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(ins, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)]


class Block(nn.Module):
    """At inference: shortcut(x) + the mean of two branches."""

    def __init__(self, ins: int, out: int, stride: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(nn.ReLU(), *conv_norm(ins, out, 3, stride), nn.ReLU(), *conv_norm(out, out, 3, 1))
            for _ in range(2)
        )
        self.shortcut = nn.Sequential(nn.ReLU(), *conv_norm(ins, out, 1, stride)) if ins != out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.shortcut(x) + torch.stack([branch(x) for branch in self.branches]).mean(0)
        return total


def build_peer() -> nn.Module:
    layers, width = conv_norm(3, 16, 3, 1), 16
    for out, stride in ((32, 1), (64, 2), (128, 2)):
        for turn in range(4):
            layers.append(Block(width, out, 1 if turn else stride))
            width = out
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def test_it_is_the_network_of_the_paper() -> None:
    graph, peer = elaborate(load("shake_shake26_2x32d")), build_peer()
    cost = measure_cost(graph)
    with FlopCounterMode(display=False) as counter:
        peer(torch.randn(1, 3, 32, 32))
    assert cost.macs["flops"] == counter.get_total_flops()
    assert cost.parameters == sum(p.numel() for p in peer.parameters())
    module = stir(to_torch(graph))
    theirs = {name: value for name, value in peer.state_dict().items() if not name.endswith("num_batches_tracked")}
    own = module.state_dict()
    assert cost.buffers == sum(value.numel() for name, value in theirs.items() if "running" in name)
    assert [tuple(own[name].shape) for name in graph.weights] == [tuple(value.shape) for value in theirs.values()]
    peer.load_state_dict(dict(zip(theirs, (own[name] for name in graph.weights), strict=True)), strict=False)
    case = sample_inputs(graph, 2, {"H": 12, "W": 8})
    with torch.no_grad():
        expected = {"output": peer.eval()(torch.from_numpy(case["image"])).numpy()}
        assert difference(expected, run_torch(graph, module, case)) < TOLERANCE
        own["repeat_0.i1.repeat_0.i0.shake_block_0.residual_0.body.shake_0.i1.conv_0.weight"] += 0.1  # the control
    assert difference(expected, run_torch(graph, module, case)) > TOLERANCE


def test_training_draws_weights_for_each_image() -> None:
    graph = elaborate(load("shake_shake26_2x32d", {"blocks": 1, "width": 4}), {"H": 8, "W": 8})
    module = to_torch(graph).train()
    images = torch.randn(1, 3, 8, 8).expand(4, -1, -1, -1)
    torch.manual_seed(0)
    first = module(images)
    torch.manual_seed(0)
    assert torch.equal(first, module(images))
    assert not torch.allclose(first[0], first[1])  # the same image twice
    assert torch.allclose(module.eval()(images)[0], module(images)[1])


@pytest.mark.parametrize("branches", [1, 3])
def test_any_number_of_branches(branches: int) -> None:
    graph = elaborate(load("shake_shake26_2x32d", {"branches": branches}))
    assert sum(node.op.kind == "shake" for node in graph) == (12 if branches > 1 else 0)
