"""Words that choose for a whole network: the normalization, the scaling of residuals and what is dropped; and the
defaults of libraries."""

from __future__ import annotations

from itertools import pairwise
from math import prod, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archspec.api import accepted_sizes, load, to_torch
from archspec.ops import (
    NORMALIZATIONS,
    BatchNorm,
    Conv,
    GroupNorm,
    LayerNorm,
    Op,
    Scale,
    ShakeDrop,
    Shift,
    StochasticDepth,
)
from archspec.spec.text import to_yaml
from compiler.elaborate.elaborate import elaborate
from compiler.graph import Graph
from tests.archspec.spec.texts import HEAD, codes, graph_of, mistakes_of, unmarked, write

BLOCKS = "network: [repeat: {n: 4, body: [residual: {body: [conv: 4, norm, relu, conv: 4, norm]}]}]\n"


def ops_of(graph: Graph) -> dict[str, Op]:
    return {node.id: node.op for node in graph if node.inputs}


def built(defaults: str, network: str = "network: [conv: 4, norm, relu]\n") -> dict[str, Op]:
    return ops_of(graph_of(f"{HEAD}defaults: {defaults}\n{network}"))


# Normalization


@pytest.mark.parametrize("kind", NORMALIZATIONS)
def test_norm_is_the_kind_that_the_defaults_choose(kind: str) -> None:
    groups = ", groups: 2" if kind == "group" else ""
    ops = built(f"{{norm: {{kind: {kind}, eps: 0.5{groups}}}}}")
    assert list(ops) == ["conv_0", "norm_0", "relu_0"]
    assert type(ops["norm_0"]) is NORMALIZATIONS[kind]
    assert ops["norm_0"].eps == 0.5  # type: ignore[attr-defined]


def test_norm_is_batch_normalization_unless_another_is_chosen() -> None:
    assert built("{}")["norm_0"] == BatchNorm()


def test_defaults_of_the_kinds_own_layer_hold_too() -> None:
    ops = built("{batch_norm: {eps: 0.5, momentum: 0.2}, norm: {momentum: 0.3}}", "network: [norm, batch_norm]\n")
    assert ops == {"norm_0": BatchNorm(eps=0.5, momentum=0.3), "batch_norm_0": BatchNorm(eps=0.5, momentum=0.2)}


def test_another_kind_at_one_place_leaves_nothing_of_the_first() -> None:
    ops = built("{norm: {kind: group, groups: 2, eps: 0.5}}", "network: [norm, norm: layer, norm: {groups: 4}]\n")
    assert ops == {
        "norm_0": GroupNorm(groups=2, eps=0.5),
        "norm_1": LayerNorm(),
        "norm_2": GroupNorm(groups=4, eps=0.5),
    }


def test_batch_normalization_by_name_is_the_kind_when_none_was_chosen() -> None:
    block = "blocks: {b: {defaults: {norm: {eps: 0.5}}, body: [norm]}}\n"
    graph = graph_of(f"{HEAD}{block}defaults: {{norm: {{kind: batch, momentum: 0.2}}}}\nnetwork: [b]\n")
    assert ops_of(graph) == {"b_0.norm_0": BatchNorm(eps=0.5, momentum=0.2)}


def test_expression_of_a_norm_is_evaluated_where_it_stands() -> None:
    ops = built("{norm: {kind: group, groups: in_channels // 2}}", "network: [norm, conv: 8, norm]\n")
    assert (ops["norm_0"], ops["norm_1"]) == (GroupNorm(groups=2), GroupNorm(groups=4))


def test_none_leaves_no_node() -> None:
    assert list(built("{norm: {kind: none}}")) == ["conv_0", "relu_0"]


def test_weight_normalization_is_of_every_kernel() -> None:
    network = "network: [conv: 4, norm, conv_transpose: 4, conv: {out: 4, weight_norm: false}, flatten, linear: 2]\n"
    ops = built("{norm: {kind: weight}}", network)
    assert list(ops) == ["conv_0", "conv_transpose_0", "conv_1", "flatten_0", "linear_0"]
    normal = {id: op.weight_norm for id, op in ops.items() if hasattr(op, "weight_norm")}
    assert normal == {"conv_0": True, "conv_transpose_0": True, "conv_1": False, "linear_0": True}


def test_variant_with_another_kind_replaces_the_whole_choice(tmp_path: Path) -> None:
    write(tmp_path, f"{HEAD}defaults: {{norm: {{kind: group, groups: 2}}}}\n{BLOCKS}", "base.yaml")
    path = write(tmp_path, "archspec: 1\nextends: base\ndefaults: {norm: {kind: layer, over: channels}}\n")
    spec = load(path)
    graph = elaborate(spec)
    assert {op for op in ops_of(graph).values() if not isinstance(op, Conv)} >= {LayerNorm(over="channels")}
    whole = write(tmp_path, to_yaml(spec.to_data()), "whole.yaml")
    assert elaborate(load(whole)).digest() == graph.digest()


# Defaults of blocks and libraries

LIBRARY = """\
archspec: 1
defaults: {conv: {bias: false, kernel: 1}, norm: {kind: group, groups: 2}}
blocks:
  one: {body: [conv: 4, norm]}
  two: {defaults: {conv: {kernel: 5}}, args: {inner: block}, body: [conv: 4, inner]}
"""


def from_library(tmp_path: Path, rest: str) -> Graph:
    write(tmp_path, LIBRARY, "lib.yaml")
    path = write(tmp_path, f"{HEAD}import: [lib]\n{rest}")
    graph = elaborate(load(path))
    whole = write(tmp_path, to_yaml(load(path).to_data()), "whole.yaml")
    assert elaborate(load(whole)).digest() == graph.digest()  # in one piece it is the same network
    return graph


def test_defaults_of_a_library_hold_in_its_blocks_alone(tmp_path: Path) -> None:
    ops = ops_of(from_library(tmp_path, "network: [conv: 4, norm, one, two: {inner: [conv: 4]}]\n"))
    assert ops["conv_0"] == Conv(out=4)
    assert ops["norm_0"] == BatchNorm()
    assert ops["one_0.conv_0"] == Conv(out=4, bias=False, kernel=1)
    assert ops["one_0.norm_0"] == GroupNorm(groups=2)
    assert ops["two_0.conv_0"] == Conv(out=4, bias=False, kernel=5)
    assert ops["two_0.inner_0.conv_0"] == Conv(out=4)  # written outside of it


def test_defaults_of_the_spec_go_before_those_of_a_library(tmp_path: Path) -> None:
    rest = "defaults: {conv: {bias: true}, norm: {kind: layer}}\nnetwork: [one]\n"
    ops = ops_of(from_library(tmp_path, rest))
    assert ops == {"one_0.conv_0": Conv(out=4, kernel=1), "one_0.norm_0": LayerNorm()}


# Scaling


def scaled(words: str, network: str = BLOCKS) -> dict[str, Op]:
    return built(f"{{residual: {{{words}}}, norm: {{kind: none}}}}", network)


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
    peer[2].scale.data += 0.1  # the control
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


def test_what_fixup_adds_may_not_have_the_name_of_another_node() -> None:
    body = "network: [residual: {scaling: fixup, body: [▸conv: {out: 4}, relu: {name: conv_1_bias}, ▸conv: 4]}]\n"
    text, [_, place] = unmarked(HEAD + body)
    (mistake,) = mistakes_of(text)
    assert (mistake.code, mistake.place.line, mistake.place.column) == ("duplicate-name", *place)


@pytest.mark.parametrize(
    "network",
    [
        "residual: {scaling: fixup, body: [repeat: {name: conv_0_bias, n: 1, body: [relu]}, conv: 4]}",
        "residual: {scaling: fixup, body: [conv: 4, repeat: {name: conv_0_bias, n: 1, body: [relu]}]}",
        "add: {n: 2, as: pad, fit: pad, body: [conv: {out: 4, padding: pad}]}",
        "concat: {n: 2, as: crop, fit: crop, body: [conv: {out: 4, padding: 2 * crop}]}",
    ],
)
def test_what_is_added_may_not_have_the_name_of_what_holds_others(network: str) -> None:
    """Of two things of one name, torch would keep the later."""
    assert codes(mistakes_of(f"{HEAD}network: [{network}]\n")) == ["duplicate-name"]


# What is dropped


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
    ops = built("{stochastic_depth: {draw: batch, rescale: true}}", network)
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


# Branches


def test_loop_of_branches_starts_each_from_the_same_value() -> None:
    graph = graph_of(HEAD + "network: [concat: {each: {k: [1, 3]}, as: b, body: [conv: {out: b + 1, kernel: k}]}]\n")
    assert [(node.id, node.inputs, str(node.shape)) for node in graph][1:] == [
        ("concat_0.b0.conv_0", ("x",), "1×8×8"),
        ("concat_0.b1.conv_0", ("x",), "2×8×8"),
        ("concat_0.concat", ("concat_0.b0.conv_0", "concat_0.b1.conv_0"), "3×8×8"),
    ]


def test_loop_of_branches_is_the_list_of_them() -> None:
    looped = graph_of(HEAD + "network: [add: {n: 3, body: [conv: 4]}]\n")
    listed = graph_of(HEAD + "network: [add: [[conv: 4], [conv: 4], [conv: 4]]]\n")
    assert [(node.op, node.shape) for node in looped] == [(node.op, node.shape) for node in listed]


@pytest.mark.parametrize("size", [7, 8, 9, 10])
def test_padding_fits_operands_of_any_sizes(size: int) -> None:
    text = f"archspec: 1\ninputs: {{x: [2, {size}]}}\n"
    network = "network: [concat: {branches: [[], [max_pool: 2, upsample: 2], [conv: {out: 1, padding: 2}]], fit: pad}]"
    graph = graph_of(f"{text}{network}\n")
    assert graph[graph.outputs["output"]].shape == (5, size + 2)
    assert [node.id for node in graph if node.op.kind == "pad_space"] == ["concat_0.pad0", "concat_0.pad1"]


@pytest.mark.parametrize("word", ["add", "concat"])
def test_padding_of_a_value_to_itself_is_none(word: str) -> None:
    graph = graph_of(f"{HEAD}network: [{word}: {{branches: [[], [], []], fit: pad}}]\n")
    assert [node.inputs for node in graph][1:] == [("x", "x", "x")]


def test_many_paddings_to_each_other_take_of_the_budget() -> None:
    assert codes(mistakes_of(HEAD + "network: [add: {n: 700, body: [relu], fit: pad}]\n")) == ["too-many-nodes"]


OTHER_SIZES = [
    ("{x: [2, H], y: [2, K]}", {"H": 8, "K": 8}, {"H": 11, "K": 5}),
    ("{x: [2, L], y: [2, 20]}", {"L": 8}, {"L": 31}),
    ("{x: [2, L], y: [2, 20]}", {"L": 31}, {"L": 8}),
]


@pytest.mark.parametrize(("inputs", "sizes", "others"), OTHER_SIZES)
def test_operands_that_grow_apart_are_padded_at_every_size(
    inputs: str, sizes: dict[str, int], others: dict[str, int]
) -> None:
    text = f"archspec: 1\ninputs: {inputs}\nnetwork: [add: {{branches: [[], [from: y]], fit: pad}}]\n"
    graph = graph_of(text, sizes=sizes)
    assert {str(rule) for rule in accepted_sizes(graph).values()} == {"any from 1"}
    resized = graph.resize(others)
    assert resized[resized.outputs["output"]].shape == (2, max([*others.values(), *([20] if "L" in others else [])]))
    assert resized.digest() == graph_of(text, sizes=others).digest()


@pytest.mark.parametrize("size", [8, 9])
def test_paddings_do_not_depend_on_the_size_at_hand(size: int) -> None:
    """At 8 nothing is missing, but at 9 it is: the padding is there at both, and the model takes every size."""
    text = f"archspec: 1\ninputs: {{x: [2, L]}}\nsizes: {{L: {size}}}\n"
    graph = graph_of(text + "network: [add: {branches: [[], [max_pool: 2, upsample: 2]], fit: pad}]\n")
    assert [node.id for node in graph if node.op.kind == "pad_space"] == ["add_0.pad1"]
    assert str(accepted_sizes(graph)["L"]) == "any from 2"


MISTAKES: list[tuple[str, list[str]]] = [
    ("network: [norm: {kind: ▸grup}]\n", ["bad-value"]),
    ("network: [norm: {kind: layer, ▸groups: 2}]\n", ["unknown-field"]),
    ("network: [▸norm]\ndefaults: {norm: {size: 3}}\n", ["unknown-field"]),
    ("network: [norm: ▸weight]\n", ["bad-value"]),
    ("network: [norm: {kind: group, groups: ▸3}]\n", ["shape-mismatch"]),
    ("network: [norm: {▸swirl: 3}]\n", ["unknown-field"]),
    ("network: [norm: {kind: ▸null}]\n", ["bad-value"]),
    ("network: [norm: {start: ▸1.0e+39}]\n", ["bad-value"]),
    ("network: [scale: {value: ▸-1.0e+39, trainable: true}]\n", ["bad-value"]),
    ("network: [conv: {out: 4, gain: ▸1.0e+39}]\n", ["bad-value"]),
    ("network: [▸add: {n: 2}]\n", ["bad-branches"]),
    ("network: [▸add: {body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {branches: [[]], n: 2, body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {n: 2, each: {a: [1]}, body: [relu]}]\n", ["bad-branches"]),
    ("network: [▸add: {n: 0, body: [relu]}]\n", ["bad-value"]),
    ("network: [▸shake: [[], [conv: 5]]]\n", ["shape-mismatch"]),
    ("network: [shake: {branches: [[]], draw: ▸pixel}]\n", ["bad-value"]),
    ("network: [residual: {body: [], scaling: ▸fixdown}]\n", ["bad-value"]),
    ("network: [residual: {body: [], survival: 0.5, decay: ▸quick}]\n", ["bad-value"]),
    ("network: [residual: {body: [], survival: ▸2, decay: linear}]\n", ["bad-value"]),
    ("network: [conv: {out: 4, gain: ▸-1}]\n", ["bad-value"]),
    ("blocks: {b: {defaults: {convv: {}}, body: []}}\nnetwork: [b]\n", ["unknown-node"]),
]


@pytest.mark.parametrize(("text", "expected"), MISTAKES, ids=[text.strip() for text, _ in MISTAKES])
def test_mistake_is_told_where_it_stands(text: str, expected: list[str]) -> None:
    text, marks = unmarked(HEAD + text)
    found: list[Any] = mistakes_of(text)
    assert codes(found) == expected
    if marks:
        assert [(item.place.line, item.place.column) for item in found] == marks


def test_branches_that_are_missing_are_said_to_be() -> None:
    (mistake,) = mistakes_of(HEAD + "network: [add: ]\n")
    assert mistake.message == "add needs a list of bodies, or `n` or `each` with one `body`"
