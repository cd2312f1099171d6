"""What makes the residual families what they are: forms that compute the same, bodies that can be taken out, orders of
activations, kinds of shortcuts, and how bodies start and are dropped."""

from __future__ import annotations

from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archspec.api import elaborate, load, to_torch
from archspec.ops import Conv, ShakeDrop, StochasticDepth
from compiler.analysis.cost.cost import measure_cost
from compiler.analysis.paths.counting import count_paths
from compiler.graph import Graph
from tests.support.lowering import TOLERANCE, Arrays, difference, export, run_onnx, run_torch, sample_inputs, stir
from tests.zoo import residual_witnesses as witnesses

State = dict[str, Tensor]
BODY = ".residual_0.body."


@cache
def at_home(name: str) -> Graph:
    return elaborate(load(name))


def small_form(name: str, cardinality: int) -> Graph:
    params = {"classes": 10, "depths": [1, 2, 1, 1], "cardinality": cardinality}
    return elaborate(load(name, params), {"H": 64, "W": 32})


def rearrange(state: State, form: str, cardinality: int) -> State:
    """The weights of form c of a ResNeXt (Xie et al., 2017, figure 3) as those of form a or b.

    With d channels in a branch, branch i has output channels i·d to (i+1)·d of the first two convolutions and of their
    normalizations. In form a it also has those input channels of the third convolution, which in form b all branches
    share. The third normalization, the projections and what stands around the blocks stay.
    """
    block, merge = {"a": ("aggregated_0", "add_0"), "b": ("concatenated_0", "concat_0")}[form]
    result: State = {}
    for name, value in state.items():
        before, inside, layer = name.replace("grouped_0.bottleneck_0", block).partition(BODY)
        word, _, weight = layer.partition(".")
        if word in ("conv_0", "norm_0", "conv_1", "norm_1"):
            parts = value.chunk(cardinality)
        elif word == "conv_2" and form == "a":
            parts = value.chunk(cardinality, 1)
        else:
            last = {"conv_2": "conv_0", "norm_2": "norm_0"}.get(word, word)
            result[f"{before}{inside}{last}.{weight}" if inside else before] = value
            continue
        word = "conv_2" if word == "conv_2" else word
        result |= {f"{before}{inside}{merge}.i{i}.{word}.{weight}": part for i, part in enumerate(parts)}
    return result


def run_both(graph: Graph, state: State, inputs: Arrays, folder: Path) -> tuple[Arrays, Arrays]:
    """The outputs in torch and in ONNX Runtime."""
    module = to_torch(graph)
    module.load_state_dict(state)
    return run_torch(graph, module, inputs), run_onnx(export(graph, state, folder), inputs)


@pytest.mark.parametrize("form", ["a", "b"])
@pytest.mark.parametrize("cardinality", [4, 32])
def test_forms_of_a_resnext_are_equal(form: str, cardinality: int, tmp_path: Path) -> None:
    grouped = small_form("resnext50_32x4d", cardinality)
    other = small_form(f"resnext50_form_{form}", cardinality)
    state = stir(to_torch(grouped)).state_dict()
    inputs = sample_inputs(grouped, 2)
    expected, in_onnx = run_both(grouped, state, inputs, tmp_path)
    assert difference(expected, in_onnx) < TOLERANCE

    arranged = rearrange(state, form, cardinality)
    assert arranged.keys() == other.weights.keys()
    for found in run_both(other, arranged, inputs, tmp_path):
        assert difference(expected, found) < TOLERANCE

    first, second = (f".i{i}.conv_1.weight" for i in (0, 1))  # the control: two branches exchange their kernels
    wrong = dict(arranged)
    for name in arranged:
        if name.endswith(first):
            partner = name.removesuffix(first) + second
            wrong[name], wrong[partner] = arranged[partner], arranged[name]
    for found in run_both(other, wrong, inputs, tmp_path):
        assert difference(expected, found) > 10 * TOLERANCE


def test_forms_of_a_resnext_have_one_cost() -> None:
    costs = [measure_cost(at_home(name)) for name in ("resnext50_32x4d", "resnext50_form_a", "resnext50_form_b")]
    assert {(cost.parameters, cost.buffers, cost.macs["conv-linear"]) for cost in costs} == {
        (25_028_904, 68_224, 4_230_479_872)
    }


def test_resnext_with_one_group_is_resnet50() -> None:
    single = elaborate(load("resnext50_32x4d", {"cardinality": 1, "group_width": 64}))
    weights = [(name.replace("grouped_0.", ""), weight) for name, weight in single.weights.items()]
    assert weights == list(at_home("resnet50").weights.items())
    assert [node.op for node in single] == [node.op for node in at_home("resnet50")]


def test_cardinality_is_traded_for_width_at_one_complexity() -> None:
    """Xie et al., 2017, table 2: from 1 × 64d to 32 × 4d all have about the 25.6 million parameters of ResNet-50."""
    names = ["resnet50", "resnext50_2x40d", "resnext50_4x24d", "resnext50_8x14d", "resnext50_32x4d"]
    costs = [measure_cost(at_home(name)) for name in names]
    for cost in costs:
        assert cost.parameters == pytest.approx(costs[0].parameters, rel=0.03)
        assert cost.macs["conv-linear"] == pytest.approx(costs[0].macs["conv-linear"], rel=0.06)


class Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(())


@pytest.mark.parametrize(
    ("name", "params", "build"),
    [
        ("resnet18", {"depths": [1, 2, 1, 1], "shortcut": 1}, lambda: witnesses.resnet([1, 2, 1, 1], "A")),
        ("resnet18", {"depths": [1, 2, 1, 1], "shortcut": 2}, lambda: witnesses.resnet([1, 2, 1, 1], "B")),
        ("resnet18", {"depths": [1, 2, 1, 1], "shortcut": 3}, lambda: witnesses.resnet([1, 2, 1, 1], "C")),
        ("resnet20", {}, lambda: witnesses.cifar(3, "A")),
    ],
)
def test_network_whose_bodies_are_zero_is_that_of_its_shortcuts(
    name: str, params: dict[str, Any], build: Any, tmp_path: Path
) -> None:
    """With the last scale and shift of each body at zero, in torch and in ONNX Runtime, against a network that has no
    bodies."""
    graph, witness = elaborate(load(name, params), {"H": 64, "W": 32}), build()
    state = stir(to_torch(graph)).state_dict()
    kept = [value for key, value in state.items() if BODY not in key]
    for module in witness.modules():
        if isinstance(module, witnesses.Sum):
            module.body = nn.Sequential(Nothing())
    theirs = [value for key, value in witness.state_dict().items() if not key.endswith("num_batches_tracked")]
    for value, given in zip(theirs, kept, strict=True):
        value.copy_(given)
    inputs = sample_inputs(graph, 2)
    with torch.no_grad():
        expected = {"output": witness.eval()(torch.from_numpy(inputs["image"])).numpy()}
    for found in run_both(graph, state, inputs, tmp_path):
        assert difference(expected, found) > 10 * TOLERANCE
    for key, value in state.items():
        if f"{BODY}norm_1.weight" in key or f"{BODY}norm_1.bias" in key:
            value.zero_()
    for found in run_both(graph, state, inputs, tmp_path):
        assert difference(expected, found) < TOLERANCE


def test_further_blocks_with_zero_bodies_change_nothing(tmp_path: Path) -> None:
    """In a network with pre-activation nothing stands behind the addition, so that such a block is the identity."""
    short, long = (elaborate(load("preresnet110", {"blocks": n}), {"H": 16, "W": 16}) for n in (1, 3))
    state = stir(to_torch(long)).state_dict()
    inputs = sample_inputs(short, 2)
    reduced = {key: state[key] for key in short.weights}
    expected, _ = run_both(short, reduced, inputs, tmp_path)
    for found in run_both(long, state, inputs, tmp_path):
        assert difference(expected, found) > 10 * TOLERANCE
    for key, value in state.items():
        if key not in reduced and key.endswith(f"{BODY}conv_1.weight"):
            value.zero_()
    for found in run_both(long, state, inputs, tmp_path):
        assert difference(expected, found) < TOLERANCE


def test_stage_shapes_of_d2l() -> None:
    """As section 7.6 of Dive into Deep Learning prints them for an image of 1×1×224×224."""
    graph = elaborate(load("d2l_resnet18"), {"H": 224, "W": 224})
    ends = ["conv_0", "norm_0", "relu_0", "max_pool_0"]
    ends += [f"repeat_0.i{i}.repeat_0.i0.d2l_residual_0.relu_0" for i in range(4)] + ["flatten_0", "linear_0"]
    assert [tuple(graph[id].shape) for id in ends] == [
        *[(64, 112, 112)] * 3,
        *((64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (512,), (10,)),
    ]
    assert measure_cost(graph).macs["conv-linear"] == 1_734_890_496


def test_plain_network_is_the_residual_one_without_shortcuts() -> None:
    """ResNet-34 with shortcuts A has no further parameters and multiply-accumulates (He et al., 2015, section 4.1)."""
    plain, residual = (measure_cost(at_home(name)) for name in ("plain34", "resnet34_a"))
    assert (plain.parameters, plain.macs["conv-linear"]) == (residual.parameters, residual.macs["conv-linear"])
    assert f"{plain.macs['conv-linear'] / 1e9:.1f}" == "3.6"  # the same, figure 3
    assert f"{measure_cost(at_home('plain18')).macs['conv-linear'] / 1e9:.1f}" == "1.8"  # table 1
    assert [count_paths(at_home(name)).op.total for name in ("plain34", "resnet34_a")] == [1, 2**16]


def kinds_in(graph: Graph, block: str) -> list[str]:
    return [node.op.kind for node in graph if node.id.startswith(f"{block}.")]


@pytest.mark.parametrize(
    ("name", "unit", "first", "end"),
    [
        ("original", "conv norm relu conv norm add relu", "conv norm relu conv norm add relu", ""),
        ("norm_after_addition", "conv norm relu conv add norm relu", "conv norm relu conv add norm relu", ""),
        ("relu_before_addition", "conv norm relu conv norm relu add", "conv norm relu conv norm relu add", ""),
        ("relu_pre_activation", "relu conv norm relu conv norm add", "conv norm relu conv norm add", "relu"),
        ("full_pre_activation", "norm relu conv norm relu conv add", "conv norm relu conv add", "norm relu"),
    ],
)
def test_orders_of_activations(name: str, unit: str, first: str, end: str) -> None:
    """He et al., 2016, figure 4, and the first and last activation of its appendix."""
    graph = at_home(f"order_{name}")

    def sequence(block: str) -> str:
        return " ".join(kinds_in(graph, block)).replace("batch_norm", "norm")

    assert sequence("ordered_block_0") == first
    assert {sequence(f"repeat_0.i{i}.ordered_block_0") for i in range(17)} == {unit}
    assert {sequence(f"repeat_1.i{k}.repeat_0.i{i}.ordered_block_0") for k in (0, 1) for i in range(17)} == {unit}
    assert sequence("activation_before_0") == end
    assert measure_cost(graph).parameters == 1_727_962


@pytest.mark.parametrize(
    ("name", "shortcut", "gate", "body"),
    [
        ("original", [], [], []),
        ("scaled", ["scale"], [], ["scale"]),
        ("exclusive_gate", ["scale", "shift", "mul"], ["conv", "shift", "sigmoid"], ["mul"]),
        ("only_gate", ["scale", "shift", "mul"], ["conv", "shift", "sigmoid"], []),
        ("conv", ["conv", "batch_norm"], [], []),
        ("dropout", ["dropout"], [], []),
    ],
)
def test_kinds_of_shortcuts(name: str, shortcut: list[str], gate: list[str], body: list[str]) -> None:
    """He et al., 2016, figure 2, in a block that keeps the shape."""
    graph = at_home(f"shortcut_{name}")
    block = f"repeat_0.i0.repeat_0.i1.{'gated' if gate else 'shortcut'}_block_0"
    assert kinds_in(graph, f"{block}.residual_0.shortcut") == shortcut
    assert kinds_in(graph, f"{block}.residual_0.body") == ["conv", "batch_norm", "relu", "conv", "batch_norm", *body]
    assert kinds_in(graph, block)[: len(gate)] == gate
    assert len(kinds_in(graph, block)) == len(gate) + len(shortcut) + 5 + len(body) + 2


def test_gates_of_shortcuts_start_nearly_closed() -> None:
    graph = at_home("shortcut_exclusive_gate")
    starts = {weight.init for name, weight in graph.weights.items() if name.endswith(".term")}
    assert starts == {-6.0}


def test_highway_layers_have_the_papers_5100_parameters() -> None:
    """About as many as a plain layer of 71 units (Srivastava et al., 2015)."""
    graph = at_home("highway")
    for i in range(49):
        names = [name for name in graph.weights if name.startswith(f"repeat_0.i{i}.")]
        assert sum(prod(graph.weights[name].shape) for name in names) == 5_100
    assert 71 * 71 + 71 == 5_112


def test_highway_with_closed_gates_carries_its_value(tmp_path: Path) -> None:
    graph, shallow = (elaborate(load("highway", {"layers": n})) for n in (6, 1))
    state = stir(to_torch(graph)).state_dict()
    inputs = sample_inputs(graph, 3)
    expected, _ = run_both(shallow, {key: state[key] for key in shallow.weights}, inputs, tmp_path)
    for found in run_both(graph, state, inputs, tmp_path):
        assert difference(expected, found) > 10 * TOLERANCE
    for key, value in state.items():
        if key.endswith(".term"):
            value.fill_(-100)
    for found in run_both(graph, state, inputs, tmp_path):
        assert difference(expected, found) < TOLERANCE


def test_body_that_ends_with_relu_only_adds() -> None:
    """Prince, 2023, section 11.2: in the order of figure 11.5a a block can only increase its input."""
    graph = elaborate(load("residual_mlp_a"))
    ends = [graph[node.inputs[1]].op.kind for node in graph if node.op.kind == "add"]
    assert ends == ["relu"] * 4
    for name, count in (("residual_mlp", 1), ("residual_mlp_c", 2)):
        bodies = [kinds_in(at_home(name), f"repeat_0.i{i}.residual_0.body") for i in range(4)]
        assert bodies == [["relu", "linear"] * count] * 4


@pytest.mark.parametrize("rule", ["skip_init", "fixup"])
def test_bodies_start_at_zero(rule: str) -> None:
    """So that at first a network computes what its shortcuts do: here the ReLUs of a first layer, and zeros."""
    graph = elaborate(load(f"resnet110_{rule}", {"blocks": 2}))
    module = to_torch(graph).eval()
    x = torch.randn(2, 3, 32, 32)
    state = module.state_dict()
    with torch.no_grad():
        found = module(x)
        stem = torch.relu(nn.functional.conv2d(x, state["conv_0.weight"], padding=1))[:, :, ::4, ::4]
        pooled = nn.functional.pad(stem.mean((2, 3)), (0, 48))
        expected = pooled @ state["linear_0.weight"].T
    assert torch.allclose(found, expected, atol=1e-5)
    assert bool(expected.any()) == (rule == "skip_init")


def test_kernels_of_fixup_start_small() -> None:
    """L^(-1/(2m-2)) with L = 54 bodies of m = 2 kernels (Zhang et al., 2019, section 3)."""
    convs = [node.op for node in at_home("resnet110_fixup") if isinstance(node.op, Conv)]
    assert [op.gain for op in convs[1::2]] == pytest.approx([54**-0.5] * 54)
    assert {op.init for op in convs[2::2]} == {"zeros"}


@pytest.mark.parametrize(("name", "op"), [("stochastic_depth", StochasticDepth), ("shake_drop", ShakeDrop)])
def test_bodies_survive_less_often_the_deeper_they_stand(name: str, op: type[StochasticDepth | ShakeDrop]) -> None:
    """1 - l / L · (1 - 0.5) for body l of L = 54 (Huang et al., 2016, equation 4; Yamada et al., 2019, section 3)."""
    found = [node.op for node in at_home(f"resnet110_{name}") if isinstance(node.op, op)]
    assert [drop.survival for drop in found] == pytest.approx([1 - i / 108 for i in range(1, 55)])
    if name == "stochastic_depth":
        assert {drop.draw for drop in found if isinstance(drop, StochasticDepth)} == {"batch"}


def test_sums_of_sqrt_half_keep_their_variance() -> None:
    factors = [node.op for node in at_home("resnet110_sqrt_half") if node.op.kind == "scale"]
    stable = [node.op for node in at_home("resnet110_stable") if node.op.kind == "scale"]
    assert [getattr(op, "value", None) for op in factors] == pytest.approx([0.5**0.5] * 54)
    assert [getattr(op, "value", None) for op in stable] == pytest.approx([54**-0.5] * 54)


def test_dropout_of_a_wide_resnet_stands_before_the_last_convolution() -> None:
    graph = at_home("wide_resnet28_10")
    body = kinds_in(graph, "repeat_0.i1.repeat_0.i0.preact_block_0.residual_0.body")
    assert body == ["batch_norm", "relu", "conv", "batch_norm", "relu", "dropout", "conv"]
    dropouts = [node for node in graph if node.op.kind == "dropout"]
    assert len(dropouts) == 12
    assert not [node for node in elaborate(load("wide_resnet28_10", {"drop": 0})) if node.op.kind == "dropout"]
