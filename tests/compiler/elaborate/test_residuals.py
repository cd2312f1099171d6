"""How residual bodies are scaled, and dropped by chance: against what the papers say and what torch computes."""

from __future__ import annotations

from itertools import pairwise
from math import prod, sqrt

import pytest
import torch
from torch import nn

from archspec.api import to_torch
from archspec.ops import (
    Conv,
    Op,
    Scale,
    ShakeDrop,
    Shift,
    StochasticDepth,
)
from tests.archspec.spec.texts import BLOCKS, HEAD, build_ops, graph_of, ops_of


def scaled(words: str, network: str = BLOCKS) -> dict[str, Op]:
    return build_ops(f"{{residual: {{{words}}}, norm: {{kind: none}}}}", network)


def test_sqrt_half_keeps_the_variance_of_a_sum() -> None:
    ops = scaled("scaling: sqrt_half")
    last = ops["repeat_0.i3.residual_0.sqrt_half"]
    assert isinstance(last, Scale)
    assert last.value**2 == pytest.approx(0.5)
    assert [id for id in ops if "i3" in id][-2:] == [f"repeat_0.i3.residual_0.{word}" for word in ("add", "sqrt_half")]


def test_skip_init_makes_the_network_the_identity_at_first() -> None:
    graph = graph_of(f"{HEAD}defaults: {{residual: {{scaling: skip_init}}}}\n{BLOCKS}")
    x = torch.randn(2, 4, 8, 8)
    module = to_torch(graph)
    assert torch.equal(module(x), x)
    assert sum(name.endswith("multiplier.factor") for name, _ in module.named_parameters()) == 4


def test_stable_divides_by_the_root_of_the_number_of_residuals() -> None:
    factors = [op for id, op in scaled("scaling: stable").items() if id.endswith("stable")]
    assert factors == [Scale(value=1 / sqrt(4))] * 4


class FixUpBlock(nn.Module):
    """As the authors' block has it: a bias before each convolution and activation, a multiplier and a bias behind."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(())) for _ in range(4)])
        self.scale = nn.Parameter(torch.ones(()))
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.relu(self.first(x + self.biases[0]) + self.biases[1])
        return x + self.second(out + self.biases[2]) * self.scale + self.biases[3]


def test_fixup_computes_what_the_authors_block_does() -> None:
    text = f"{HEAD}defaults: {{residual: {{scaling: fixup}}, norm: {{kind: none}}, conv: {{bias: false}}}}\n{BLOCKS}"
    module = to_torch(graph_of(text))
    peer = nn.Sequential(*(FixUpBlock(4, 4) for _ in range(4)))
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(value.shape, generator=generator) / 4 for name, value in module.state_dict().items()}
    module.load_state_dict(state)
    for i, block in enumerate(peer):
        body = f"repeat_0.i{i}.residual_0"
        names = ("body.conv_0_bias", "body.relu_0_bias", "body.conv_1_bias", "bias")
        own = {f"biases.{k}": state[f"{body}.{name}.term"] for k, name in enumerate(names)}
        own |= {"scale": state[f"{body}.multiplier.factor"]}
        own |= {f"{word}.weight": state[f"{body}.body.conv_{k}.weight"] for k, word in enumerate(("first", "second"))}
        block.load_state_dict(own)
    x = torch.randn(2, 4, 8, 8, generator=generator)
    torch.testing.assert_close(module(x), peer(x))
    changed = peer[2].scale
    assert isinstance(changed, nn.Parameter)
    changed.data += 0.1  # the control
    assert not torch.allclose(module(x), peer(x))


@pytest.mark.parametrize(("body", "kernels"), [("[conv: 4, relu, conv: 4]", 2), ("[conv: 4, conv: 4, conv: 4]", 3)])
def test_fixup_starts_kernels_as_the_paper_says(body: str, kernels: int) -> None:
    text = f"{HEAD}defaults: {{residual: {{scaling: fixup}}}}\nnetwork: [repeat: {{n: 9, body: [residual: {body}]}}]\n"
    graph = graph_of(text.replace(body, f"{{body: {body}}}"))
    state = to_torch(graph).state_dict()
    for turn in range(9):
        names = [f"repeat_0.i{turn}.residual_0.body.conv_{k}.weight" for k in range(kernels)]
        *others, last = (state[name] for name in names)
        assert not last.any()
        for kernel in others:  # of 144 normal draws the deviation is within a fifth of the true one
            wanted = sqrt(2 / prod(kernel.shape[1:])) * 9 ** (-1 / (2 * kernels - 2))
            assert kernel.std().item() == pytest.approx(wanted, rel=0.2)


def test_fixup_of_a_single_kernel_starts_it_at_zero() -> None:
    ops = scaled("scaling: fixup", "network: [residual: {body: [conv: 4]}]\n")
    assert ops["residual_0.body.conv_0"] == Conv(out=4, init="zeros")
    assert [id.rpartition(".")[2] for id in ops] == ["conv_0_bias", "conv_0", "multiplier", "bias", "add"]


def test_fixup_reaches_into_blocks_and_stops_at_the_body() -> None:
    blocks = "blocks: {two: {body: [conv: 4, relu, conv: 4]}}\n"
    network = "network: [conv: 4, relu, residual: {body: [two], scaling: fixup, shortcut: [conv: 4]}, relu]\n"
    ops = ops_of(graph_of(HEAD + blocks + network))
    shifts = [id for id, op in ops.items() if isinstance(op, Shift)]
    assert shifts == [
        *(f"residual_0.body.two_0.{name}_bias" for name in ("conv_0", "relu_0", "conv_1")),
        "residual_0.bias",
    ]
    assert ops["residual_0.body.two_0.conv_1"] == Conv(out=4, init="zeros")
    assert ops["residual_0.shortcut.conv_0"] == ops["conv_0"] == Conv(out=4)


def test_fixup_starts_at_the_identity_beside_gates() -> None:
    """A squeeze-and-excitation gate is half open at first, and the body zero all the same."""
    gate = "mul: [[], [global_avg_pool, conv: {out: 4, kernel: 1}, sigmoid]]"
    graph = graph_of(f"{HEAD}network: [residual: {{scaling: fixup, body: [conv: 4, relu, conv: 4, {gate}]}}]\n")
    ops = ops_of(graph)
    assert ops["residual_0.body.conv_1"] == Conv(out=4, init="zeros")
    assert ops["residual_0.body.mul_0.branch1.conv_0"] == Conv(out=4, kernel=1)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(to_torch(graph)(x), x)


def survivals(words: str, kind: type[StochasticDepth | ShakeDrop]) -> list[float]:
    return [op.survival for op in scaled(words).values() if isinstance(op, kind)]


def test_linear_decay_ends_at_the_given_survival() -> None:
    """p_l = 1 - l/L (1 - p_L): Huang et al., 2016, equation 4."""
    found = survivals("survival: 0.5, decay: linear, drop: batch", StochasticDepth)
    assert found == pytest.approx([0.875, 0.75, 0.625, 0.5])
    assert all(one > other for one, other in pairwise(found))


def test_survival_is_the_same_everywhere_unless_it_decays() -> None:
    assert survivals("survival: 0.5", StochasticDepth) == [0.5] * 4


@pytest.mark.parametrize(
    ("drop", "op"),
    [
        ("sample", StochasticDepth(survival=0.75)),
        ("batch", StochasticDepth(survival=0.75, draw="batch")),
        ("shake", ShakeDrop(survival=0.75)),
    ],
)
def test_drop_says_what_survival_means(drop: str, op: Op) -> None:
    ops = scaled(f"survival: 0.75, drop: {drop}", "network: [residual: {body: [relu]}]\n")
    assert ops["residual_0.survival"] == op


def test_defaults_of_stochastic_depth_reach_a_residual() -> None:
    network = (
        "network: [residual: {body: [relu], survival: 0.5}, residual: {body: [relu], survival: 0.5, drop: sample}]\n"
    )
    ops = build_ops("{stochastic_depth: {draw: batch, rescale: true}}", network)
    assert ops["residual_0.survival"] == StochasticDepth(survival=0.5, draw="batch", rescale=True)
    assert ops["residual_1.survival"] == StochasticDepth(survival=0.5, draw="sample", rescale=True)


def test_number_of_residuals_counts_all_of_the_network() -> None:
    text = "network: [residual: {body: [residual: {body: [relu]}]}, repeat: {n: 2, body: [residual: {body: [relu]}]}]\n"
    ops = scaled("survival: 0, decay: linear", text)
    found = {id.removesuffix(".survival"): op.survival for id, op in ops.items() if isinstance(op, StochasticDepth)}
    assert found == {
        "residual_0.body.residual_0": 0.5,
        "residual_0": 0.75,
        "repeat_0.i0.residual_0": 0.25,
        "repeat_0.i1.residual_0": 0,
    }


def test_defaults_of_a_residual_reach_into_blocks_and_yield_to_it() -> None:
    blocks = "blocks: {b: {body: [residual: {body: [relu]}]}}\n"
    network = "defaults: {residual: {scaling: skip_init}}\nnetwork: [b, residual: {body: [relu], scaling: none}]\n"
    assert [node.id for node in graph_of(HEAD + blocks + network) if isinstance(node.op, Scale)] == [
        "b_0.residual_0.multiplier"
    ]
